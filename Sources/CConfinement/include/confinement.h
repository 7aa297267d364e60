// What narrows the calling process and has no function in libc. All return 0 or an errno unless they say else.
#ifndef STADION_CONFINEMENT_H
#define STADION_CONFINEMENT_H

// Gives up all capabilities, also those that an executed file could bring.
int linux_drop_capabilities(void);
// PR_SET_NO_NEW_PRIVS: no executed file raises privileges from here on.
int linux_forbid_new_privileges(void);
// PR_SET_DUMPABLE 0: no core dump, also none through a pipe, and no other process of this user may trace this one.
int linux_forbid_dumps(void);

// Path of the mapped library that defines `symbol`, as it was opened; NULL when none does. Lives as long as the
// library.
const char *linux_library_with(const char *symbol);

// Landlock's version, above 0; -errno where the kernel has none.
int linux_landlock_version(void);
// Opens a ruleset that forbids all that this version can; -errno when that fails.
int linux_landlock_open(int version);
enum {
  LINUX_MAY_READ = 1,    // files, and lists of folders
  LINUX_MAY_WRITE = 2,   // files that are there
  LINUX_MAY_CHANGE = 4,  // make, rename and remove files and folders
  LINUX_MAY_IOCTL = 8,   // of devices
};
// A descriptor that stands for the file or folder and can't be read (O_PATH); -errno when that fails.
int linux_landlock_find(const char *path);
// Allows `rights` on the file, or on the folder and all below it.
int linux_landlock_allow(int ruleset, int version, int file, long rights);
int linux_landlock_enforce(int ruleset);

// Leaves the calling process, with all its threads, the system calls that inference needs. `rights`: LINUX_MAY_CHANGE
// leaves those that make, rename and remove files; LINUX_MAY_IOCTL those that drivers of devices need.
int linux_filter_system_calls(long rights);

#endif
