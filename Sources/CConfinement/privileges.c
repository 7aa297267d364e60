// Capabilities and attributes of the process.
#include "confinement.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int result(int code) { return code == 0 ? 0 : errno; }

int linux_drop_capabilities(void) {
  // The kernel says EINVAL past its last capability, and EPERM to those who have none to give up: no_new_privs then
  // keeps the bounding set from mattering.
  for (unsigned long capability = 0; capability < 64; capability++)
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      if (errno != EINVAL && errno != EPERM) return errno;
      break;
    }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return errno;
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};
  return result((int)syscall(SYS_capset, &header, none));
}

int linux_forbid_new_privileges(void) { return result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }

int linux_forbid_dumps(void) { return result(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)); }

const char *linux_library_with(const char *symbol) {
  void *place = dlsym(RTLD_DEFAULT, symbol);
  Dl_info info;
  return place && dladdr(place, &info) ? info.dli_fname : NULL;
}
