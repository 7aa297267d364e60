// What Swift can't import from libc by itself: variadics, macros, GNU extensions.
#ifndef STADION_LINUX_H
#define STADION_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

// open(2) with O_CLOEXEC; open is variadic.
int linux_open(const char *path, int flags, uint32_t mode);
// accept4(2) with SOCK_NONBLOCK | SOCK_CLOEXEC.
int linux_accept(int listener);
// CPUs that this thread may run on.
int linux_cpu_count(void);
// Names the calling thread for `top -H`; cut at 15 bytes.
void linux_name_thread(const char *name);
// CLOCK_MONOTONIC in nanoseconds.
uint64_t linux_now_ns(void);
// Gives freed memory back to the system.
void linux_trim_memory(void);
// Folder of the running executable, links resolved; false when it does not fit.
bool linux_executable_path(char *out, size_t capacity);
// Resident pages of this process, in bytes; 0 when unknown.
uint64_t linux_resident_bytes(void);

#endif
