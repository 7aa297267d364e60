// Extension of the host "stadion.host.options/1": the manifest's options before `create`, for plugins that learn from
// their engine which devices there are.
#ifndef STADION_EXT_HOST_OPTIONS_H
#define STADION_EXT_HOST_OPTIONS_H

#include "../stadion_runner.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STADION_EXT_HOST_OPTIONS "stadion.host.options/1"

// Read-only, valid until close returns.
typedef struct stadion_ext_host_options {
  uint32_t struct_size;
  uint32_t count;
  const stadion_option *options;  // the same that create is given
} stadion_ext_host_options;

#ifdef __cplusplus
}
#endif
#endif
