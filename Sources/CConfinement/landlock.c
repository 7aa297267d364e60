// Landlock, up to version 7 of its ABI. Newer kernels take what is asked for here just as well.
#include "confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Debian 12's header ends at version 2. Numbers as in the kernel's include/uapi/linux/landlock.h.
#define FS_TRUNCATE     (UINT64_C(1) << 14)  // version 3
#define NET_BIND_TCP    (UINT64_C(1) << 0)   // version 4
#define NET_CONNECT_TCP (UINT64_C(1) << 1)   // version 4
#define FS_IOCTL_DEVICE (UINT64_C(1) << 15)  // version 5
#define SCOPE_ABSTRACT  (UINT64_C(1) << 0)   // version 6: abstract Unix sockets of others
#define SCOPE_SIGNAL    (UINT64_C(1) << 1)   // version 6
#define FS_OF_VERSION_1 (LANDLOCK_ACCESS_FS_REFER - 1)

// Grows at its end; the kernel takes a longer one than it knows as long as the rest is 0.
struct ruleset {
  uint64_t files;
  uint64_t network;
  uint64_t scopes;
};

static uint64_t file_rights(int version) {
  return FS_OF_VERSION_1 | (version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) | (version >= 3 ? FS_TRUNCATE : 0) |
         (version >= 5 ? FS_IOCTL_DEVICE : 0);
}

int linux_landlock_version(void) {
  long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 0 ? -errno : (int)version;
}

int linux_landlock_open(int version) {
  struct ruleset all = {
      .files = file_rights(version),
      .network = version >= 4 ? NET_BIND_TCP | NET_CONNECT_TCP : 0,
      .scopes = version >= 6 ? SCOPE_ABSTRACT | SCOPE_SIGNAL : 0,
  };
  long ruleset = syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
  return ruleset < 0 ? -errno : (int)ruleset;
}

int linux_landlock_find(const char *path) {
  int file = open(path, O_PATH | O_CLOEXEC);
  return file < 0 ? -errno : file;
}

int linux_landlock_allow(int ruleset, int version, int file, long rights) {
  const uint64_t of_files =
      LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEVICE;
  uint64_t access = 0;
  if (rights & LINUX_MAY_READ) access |= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  if (rights & LINUX_MAY_WRITE) access |= LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE;
  // No devices, sockets, pipes and links: a cache has no use for them.
  if (rights & LINUX_MAY_CHANGE)
    access |= LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
              LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER;
  if (rights & LINUX_MAY_IOCTL) access |= FS_IOCTL_DEVICE;
  struct stat status;
  if (fstat(file, &status) != 0) return errno;
  if (!S_ISDIR(status.st_mode)) access &= of_files;
  struct landlock_path_beneath_attr rule = {.allowed_access = access & file_rights(version), .parent_fd = file};
  if (rule.allowed_access == 0) return 0;
  return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0 ? 0 : errno;
}

int linux_landlock_enforce(int ruleset) { return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : errno; }
