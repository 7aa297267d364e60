#include "linux.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int linux_open(const char *path, int flags, uint32_t mode) { return open(path, flags | O_CLOEXEC, (mode_t)mode); }

int linux_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); }

bool linux_peer(int socket, uint32_t *uid, uint32_t *gid, int32_t *pid) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  *uid = peer.uid;
  *gid = peer.gid;
  *pid = peer.pid;
  return true;
}

int linux_cpu_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}

void linux_name_thread(const char *name) {
  char cut[16];
  strncpy(cut, name, sizeof cut - 1);
  cut[sizeof cut - 1] = 0;
  pthread_setname_np(pthread_self(), cut);
}

// In nanoseconds: the shortest that the kernel gives, and one longer than is usual (3 ms at most). Who has the longer
// one is interrupted as soon as the other wakes up; not so one that computes already, which may have to wait for its
// end.
enum { SHORT_SLICE = 100000, LONG_SLICE = 10000000 };
// SCHED_FLAG_RESET_ON_FORK: threads and processes that this one starts are as usual.
enum { FOR_THIS_THREAD = 1, INHERITED = 0 };

// Returns the slice that the calling thread had; 0 if it can't have another.
static uint64_t change_slice(uint64_t ns, uint64_t flags) {
  // glibc 2.36 has neither the call nor its struct.
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes = {.size = sizeof attributes};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 || attributes.policy != SCHED_OTHER)
    return 0;
  uint64_t before = attributes.runtime;
  attributes.flags |= flags;
  attributes.runtime = ns;
  return syscall(SYS_sched_setattr, 0, &attributes, 0) == 0 ? before : 0;
}

void linux_prefer_short_slices(void) { change_slice(SHORT_SLICE, FOR_THIS_THREAD); }

void linux_prefer_long_slices(void) { change_slice(LONG_SLICE, FOR_THIS_THREAD); }

void linux_give_way(void) { setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), getpriority(PRIO_PROCESS, 0) + 10); }

uint64_t linux_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void linux_trim_memory(void) { malloc_trim(0); }

ptrdiff_t linux_allocated_bytes(void) {
  struct mallinfo2 now = mallinfo2();
  return (ptrdiff_t)(now.uordblks + now.hblkhd);
}

bool linux_executable_path(char *out, size_t capacity) {
  ssize_t length = readlink("/proc/self/exe", out, capacity - 1);
  if (length < 0 || (size_t)length >= capacity - 1) return false;
  out[length] = 0;
  return true;
}

char **linux_environment(void) { return environ; }

int linux_memory_file(const char *name, uint64_t byte_count) {
  int file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) return -1;
  if (ftruncate(file, (off_t)byte_count) == 0 &&
      fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
    return file;
  int reason = errno;
  close(file);
  errno = reason;
  return -1;
}

bool linux_pipe(int *ends) { return pipe2(ends, O_CLOEXEC) == 0; }

int linux_spawn(const char *path, char *const *arguments, char *const *environment, int output, int control, int memory,
                const int *more, int more_count, bool own_session) {
  // Away from the numbers that they are to have, so that no dup2 closes what a later one needs.
  enum { AWAY = 80, MOST = 64 };
  int sources[3 + MOST] = {fcntl(output, F_DUPFD_CLOEXEC, AWAY), fcntl(control, F_DUPFD_CLOEXEC, AWAY),
                           fcntl(memory, F_DUPFD_CLOEXEC, AWAY)};
  int count = 3;
  for (int i = 0; i < more_count && i < MOST; i++) sources[count++] = fcntl(more[i], F_DUPFD_CLOEXEC, AWAY);
  bool has_all = true;
  for (int i = 0; i < count; i++) has_all = has_all && sources[i] >= 0;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, sources[0], 1);
  posix_spawn_file_actions_adddup2(&actions, sources[0], 2);
  for (int i = 1; i < count; i++) posix_spawn_file_actions_adddup2(&actions, sources[i], 2 + i);
  posix_spawn_file_actions_addclosefrom_np(&actions, 2 + count);
  // The host has blocked and ignored signals; the child starts as any program does.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                            (own_session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP));
  pid_t process = -1;
  int reason = EMFILE;
  // A program that starts computes for milliseconds: whoever wakes up meanwhile to answer a request goes first.
  uint64_t slice = change_slice(LONG_SLICE, INHERITED);
  if (has_all) reason = posix_spawn(&process, path, &actions, &attributes, arguments, environment);
  if (slice > 0) change_slice(slice, INHERITED);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  for (int i = 0; i < count; i++)
    if (sources[i] >= 0) close(sources[i]);
  if (reason == 0) return process;
  errno = reason;
  return -1;
}

void linux_end_with_parent(void) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

void linux_await_end(int process) {
  siginfo_t info;
  while (waitid(P_PID, (id_t)process, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
}

void linux_stop_blocking(int descriptor) { fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK); }

int linux_wait(int process) {
  int status = 0;
  while (waitpid(process, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return status;
}

// A library as it was when it was opened; larger ones would take too much private memory.
enum { DETACH_LIMIT = 64 << 20, DETACH_MAPPINGS = 32 };

static void detach(char *start, size_t size, int rights) {
  char *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) return;
  memcpy(copy, start, size);
  if (mprotect(copy, size, rights) != 0 || mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, start) == MAP_FAILED)
    munmap(copy, size);
}

void linux_detach_library(const char *path) {
  struct {
    unsigned long start, end;
    int rights;
  } found[DETACH_MAPPINGS];
  int count = 0;
  size_t total = 0;
  FILE *maps = fopen("/proc/self/maps", "re");
  if (!maps) return;
  char line[4608];
  while (count < DETACH_MAPPINGS && fgets(line, sizeof line, maps)) {
    char flags[8];
    int name = 0;
    if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %n", &found[count].start, &found[count].end, flags, &name) < 3) continue;
    line[strcspn(line, "\n")] = 0;
    // What can't be read can't be copied: a gap between two parts.
    if (name == 0 || strcmp(line + name, path) != 0 || flags[0] != 'r') continue;
    found[count].rights = PROT_READ | (flags[1] == 'w' ? PROT_WRITE : 0) | (flags[2] == 'x' ? PROT_EXEC : 0);
    total += found[count].end - found[count].start;
    count++;
  }
  fclose(maps);
  if (total > DETACH_LIMIT) return;
  for (int i = 0; i < count; i++) detach((char *)found[i].start, found[i].end - found[i].start, found[i].rights);
}

uint64_t linux_resident_bytes(void) {
  FILE *file = fopen("/proc/self/statm", "re");
  if (!file) return 0;
  unsigned long long size = 0, resident = 0;
  int fields = fscanf(file, "%llu %llu", &size, &resident);
  fclose(file);
  return fields == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

int linux_epoll_wait(int epoll, struct epoll_event *events, int capacity, int64_t timeout_ns) {
  struct timespec timeout = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
  return epoll_pwait2(epoll, events, capacity, &timeout, NULL);
}

void linux_sleep_precisely(void) { prctl(PR_SET_TIMERSLACK, 1UL); }
