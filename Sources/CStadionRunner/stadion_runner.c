#include "stadion_runner.h"  // A target needs one source file; the contract is the header.
