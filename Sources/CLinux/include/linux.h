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
// SO_PEERCRED of a Unix socket: who connected it; false with errno.
bool linux_peer(int socket, uint32_t *uid, uint32_t *gid, int32_t *pid);
// CPUs that this thread may run on.
int linux_cpu_count(void);
// Names the calling thread for `top -H`; cut at 15 bytes.
void linux_name_thread(const char *name);
// Asks the scheduler to run the calling thread soon after each wake-up rather than long at once. Takes no more than its
// share; does nothing on kernels before 6.12, which have one slice for all.
void linux_prefer_short_slices(void);
// The reverse, for a thread whose work is long and that nobody waits for: others that wake up run before it.
void linux_prefer_long_slices(void);
// Lets the calling thread have a tenth of the time that each other of the process has where there isn't enough for all:
// nice 10 more than now, which Linux keeps for each thread.
void linux_give_way(void);
// Fetches a cache line that is soon to be read.
static inline void linux_prefetch(const void *address) { __builtin_prefetch(address); }
// CLOCK_MONOTONIC in nanoseconds.
uint64_t linux_now_ns(void);
// Gives freed memory back to the system.
void linux_trim_memory(void);
// What all threads have taken from malloc and not freed. Looks at what is free, too: thousands of models, 1 ms.
ptrdiff_t linux_allocated_bytes(void);
// Folder of the running executable, links resolved; false when it does not fit.
bool linux_executable_path(char *out, size_t capacity);
// NAME=VALUE texts and a null behind them; Swift can't read `environ`.
char **linux_environment(void);
// A file in memory of `byte_count` bytes, whose size can't be changed any more; -1 with errno. Close-on-exec.
int linux_memory_file(const char *name, uint64_t byte_count);
// pipe2(2) with O_CLOEXEC: the end to read from, the end to write to.
bool linux_pipe(int *ends);
// Starts `path` in a process group or a session of its own, with nothing open but: 0 /dev/null, 1 and 2 `output`,
// 3 `control`, 4 `memory`, and from 5 on `more`, at most 64. Lists end with NULL. Others run before its main thread
// when they wake up (linux_prefer_long_slices). Returns the process id, or -1 with errno.
int linux_spawn(const char *path, char *const *arguments, char *const *environment, int output, int control, int memory,
                const int *more, int more_count, bool own_session);
// Has this process killed when the thread that has started it ends, as it does with its process.
void linux_end_with_parent(void);
// Waits for a child's end, however long that takes, and leaves its status and its number to linux_wait.
void linux_await_end(int process);
// Reads and writes of `descriptor` fail with EAGAIN where they would wait.
void linux_stop_blocking(int descriptor);
// Waits for a child's end, however long that takes. Its status as waitpid(2) has it; -1 if there is no such child.
int linux_wait(int process);
// Replaces the mapped pages of `path`, an opened library, by private copies of what they hold, so that nobody who
// writes to the file changes code that runs. Before another thread runs that code. Libraries over 64 MB stay as they
// are.
void linux_detach_library(const char *path);
// epoll_wait(2) with nanoseconds; returns at once for 0.
int linux_epoll_wait(int epoll, struct epoll_event *events, int capacity, int64_t timeout_ns);
// Timeouts of this thread end when they are due; by default Linux may round them up by 50 us.
void linux_sleep_precisely(void);
// Resident pages of this process, in bytes; 0 when unknown.
uint64_t linux_resident_bytes(void);

#endif
