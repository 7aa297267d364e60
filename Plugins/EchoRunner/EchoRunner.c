#include "stadion_runner.h"
