// One function per attempt: 0 when it went through, else -1 and errno. What could harm the machine that runs the tests
// is asked for in a way that does nothing where it succeeds: signal 0, a file's own mode, the limit that is.
#include "Escaping.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int closed(int file) { return file < 0 ? -1 : close(file); }

// -- Files

static int read_file(const char *path) {
  char byte;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  int result = read(file, &byte, 1) < 0 ? -1 : 0, code = errno;
  close(file);
  errno = code;
  return result;
}

static int write_passwd(const char *path) {
  (void)path;
  return closed(open("/etc/passwd", O_WRONLY | O_CLOEXEC));
}
static int write_file(const char *path) { return closed(open(path, O_WRONLY | O_CLOEXEC)); }
static int read_passwd(const char *path) { return (void)path, read_file("/etc/passwd"); }
static int make_file(const char *path) { return closed(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); }
static int remove_file(const char *path) { return unlink(path); }
static int list_folder(const char *path) {
  DIR *folder = opendir(path);
  return folder ? closedir(folder) : -1;
}
static int change_mode(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 ? chmod(path, status.st_mode & 07777) : -1;
}
// Through a descriptor that may only read.
static int change_mode_open(const char *path) {
  struct stat status;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0 || fstat(file, &status) != 0) return -1;
  return fchmod(file, status.st_mode & 07777);
}
static int change_length(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 ? truncate(path, status.st_size) : -1;
}
static int make_memory_file(const char *path) {
  (void)path;
  int file = memfd_create("escaping", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, 4096) != 0) return -1;
  void *place = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  return place == MAP_FAILED ? -1 : munmap(place, 4096);
}
static int make_shared_memory(const char *name) {
  int file = shm_open(name, O_RDWR | O_CREAT, 0600);
  return file < 0 ? -1 : close(file) | shm_unlink(name);
}
static int make_shared_segment(const char *path) {
  (void)path;
  int segment = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  return segment < 0 ? -1 : shmctl(segment, IPC_RMID, NULL);
}

// -- Network

static int connect_tcp(const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return file < 0 ? -1 : connect(file, (struct sockaddr *)&address, sizeof address);
}
static int connect_unix(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return file < 0 ? -1 : connect(file, (struct sockaddr *)&address, sizeof address);
}
static int send_udp(const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int file = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return file < 0 || sendto(file, "x", 1, 0, (struct sockaddr *)&address, sizeof address) != 1 ? -1 : 0;
}
static int netlink(const char *nothing) {
  return (void)nothing, closed(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0));
}
// Reaches another server through the socket that is standard input.
static int send_elsewhere(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  return sendto(STDIN_FILENO, "x", 1, 0, (struct sockaddr *)&address, sizeof address) == 1 ? 0 : -1;
}

// -- Processes

static int reaped(pid_t child) {
  if (child == 0) _exit(0);
  return child < 0 ? -1 : waitpid(child, NULL, 0) == child ? 0 : -1;
}
static int try_fork(const char *nothing) { return (void)nothing, reaped(fork()); }
static int try_raw_clone(const char *nothing) {
  return (void)nothing, reaped((pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}
static int try_clone3(const char *nothing) {
  (void)nothing;
  struct {
    uint64_t flags, fields[3], exit_signal, rest[6];
  } arguments = {.exit_signal = SIGCHLD};
  return reaped((pid_t)syscall(SYS_clone3, &arguments, sizeof arguments));
}
static int try_exec(const char *nothing) {
  (void)nothing;
  char *const words[] = {"true", NULL};
  return execve("/bin/true", words, NULL);
}
static int try_system(const char *nothing) {
  (void)nothing;
  int code = system("exit 0");
  if (code > 0) errno = ECHILD;  // The shell wasn't started.
  return code == 0 ? 0 : -1;
}
static int signal_process(const char *process) { return kill(atoi(process), 0); }
static int signal_parent(const char *nothing) { return (void)nothing, kill(getppid(), 0); }
static int signal_group(const char *nothing) { return (void)nothing, kill(0, 0); }
static int signal_by_descriptor(const char *nothing) {
  (void)nothing;
  int parent = (int)syscall(SYS_pidfd_open, getppid(), 0);
  return parent < 0 ? -1 : (int)syscall(SYS_pidfd_send_signal, parent, 0, NULL, 0);
}
static int trace_parent(const char *nothing) {
  (void)nothing;
  pid_t parent = getppid();
  if (ptrace(PTRACE_SEIZE, parent, NULL, NULL) != 0) return -1;
  // Only what is stopped can be let go.
  if (ptrace(PTRACE_INTERRUPT, parent, NULL, NULL) != 0 || waitpid(parent, NULL, __WALL) != parent) return -1;
  return (int)ptrace(PTRACE_DETACH, parent, NULL, NULL);
}
static int read_parent_memory(const char *nothing) {
  (void)nothing;
  char byte;
  struct iovec own = {&byte, 1}, other = {(void *)&environ, 1};
  ssize_t got = process_vm_readv(getppid(), &own, 1, &other, 1, 0);
  return got >= 0 || errno == EFAULT ? 0 : -1;  // EFAULT: it was allowed to look.
}
static int read_parent_environment(const char *nothing) {
  (void)nothing;
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/environ", getppid());
  return read_file(path);
}
static int list_processes(const char *nothing) { return (void)nothing, list_folder("/proc"); }
static int list_connections(const char *nothing) { return (void)nothing, read_file("/proc/self/net/unix"); }
static int slow_parent(const char *nothing) {
  (void)nothing;
  return setpriority(PRIO_PROCESS, (id_t)getppid(), getpriority(PRIO_PROCESS, (id_t)getppid()));
}

// -- Privileges

// To a number of open files that the process wasn't given.
static int raise_limits(const char *count) {
  struct rlimit limit = {strtoull(count, NULL, 10), strtoull(count, NULL, 10)};
  return setrlimit(RLIMIT_NOFILE, &limit);
}
static int refused(bool is_free) {
  errno = EPERM;
  return is_free ? 0 : -1;
}
static int have_capabilities(const char *nothing) {
  (void)nothing;
  char line[256];
  bool any = false;
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file))
    if (!strncmp(line, "Cap", 3)) any |= strspn(line + 7, "\t0\n") < strlen(line + 7);
  return file ? fclose(file), refused(any) : -1;
}
static int keep_cores(const char *nothing) {
  (void)nothing;
  struct rlimit limit;
  return getrlimit(RLIMIT_CORE, &limit) == 0 ? refused(limit.rlim_max > 0) : -1;
}
static int keep_dumpable(const char *nothing) { return (void)nothing, refused(prctl(PR_GET_DUMPABLE) == 1); }
static int gain_privileges(const char *nothing) {
  return (void)nothing, refused(!prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}
static int allow_dumps(const char *nothing) { return (void)nothing, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }
static int make_namespace(const char *nothing) { return (void)nothing, unshare(CLONE_NEWUSER); }
static int mount_files(const char *path) {
  return mount("none", path, "tmpfs", 0, NULL) == 0 ? umount2(path, MNT_DETACH) : -1;
}
static int become_nobody(const char *nothing) { return (void)nothing, setresuid(65534, 65534, 65534); }
static int change_root(const char *nothing) { return (void)nothing, chroot("/"); }
static int change_folder(const char *nothing) { return (void)nothing, chdir("/"); }
static int use_io_uring(const char *nothing) {
  (void)nothing;
  struct io_uring_params parameters = {0};
  return closed((int)syscall(SYS_io_uring_setup, 1, &parameters));
}
static int measure(const char *nothing) {
  (void)nothing;
  struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event, .exclude_kernel = 1};
  return closed((int)syscall(SYS_perf_event_open, &event, 0, -1, -1, 0));
}
static int use_bpf(const char *nothing) {
  (void)nothing;
  union {
    uint32_t words[16];
  } map = {.words = {2, 4, 4, 1}};  // an array of one word
  return closed((int)syscall(SYS_bpf, 0, &map, sizeof map));
}
static int use_keys(const char *nothing) {
  (void)nothing;
  const int get_id = 0, of_this_process = -2, make = 1;
  return syscall(SYS_keyctl, get_id, of_this_process, make) < 0 ? -1 : 0;
}
static int handle_faults(const char *nothing) { return (void)nothing, closed((int)syscall(SYS_userfaultfd, 0)); }
// A call by its number of 32-bit programs, which the filter can't judge.
static int call_as_32_bit(const char *nothing) {
  (void)nothing;
#ifdef __x86_64__
  long result = 20;  // getpid
  __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
  if (result == getpid()) return 0;
#endif
  errno = ENOSYS;
  return -1;
}
// Puts a letter in front of whoever reads the terminal that is standard input.
static int write_terminal(const char *nothing) { return (void)nothing, ioctl(STDIN_FILENO, TIOCSTI, "x"); }
static int send_signals_elsewhere(const char *nothing) {
  (void)nothing;
  int ends[2];
  return pipe(ends) == 0 ? fcntl(ends[0], F_SETOWN, getppid()) : -1;
}

// -- Memory

// Touches as many bytes as it is told, in pieces; gives them back.
static int take_memory(const char *count) {
  enum { PIECE = 1 << 24, MOST = 1 << 12 };
  size_t pieces = strtoull(count, NULL, 10) / PIECE, made = 0;
  void *places[MOST];
  int code = 0;
  for (; made < pieces && made < MOST; made++) {
    places[made] = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (places[made] == MAP_FAILED) {
      code = errno;
      break;
    }
  }
  while (made > 0) munmap(places[--made], PIECE);
  errno = code;
  return code ? -1 : 0;
}

// -- What must go on working

static void *add_one(void *counter) {
  __atomic_fetch_add((int *)counter, 1, __ATOMIC_RELAXED);
  return NULL;
}
static int use_threads(const char *nothing) {
  (void)nothing;
  pthread_t threads[8];
  int counter = 0, code = 0, made = 0;
  while (made < 8 && (code = pthread_create(&threads[made], NULL, add_one, &counter)) == 0) made++;
  for (int i = 0; i < made; i++) pthread_join(threads[i], NULL);
  errno = code;
  return code == 0 && counter == 8 ? 0 : -1;
}
static void *wait_for_go(void *go) {
  while (!__atomic_load_n((int *)go, __ATOMIC_ACQUIRE)) sched_yield();
  return NULL;
}
static int place_thread(const char *nothing) {
  (void)nothing;
  pthread_t thread;
  int go = 0, code = pthread_create(&thread, NULL, wait_for_go, &go);
  if (code == 0) {
    cpu_set_t set;
    code = pthread_getaffinity_np(thread, sizeof set, &set);
    if (code == 0) code = pthread_setaffinity_np(thread, sizeof set, &set);
    __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
  }
  errno = code;
  return code ? -1 : 0;
}
static int compile_code(const char *nothing) {
  (void)nothing;
  void *place = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED || mprotect(place, 4096, PROT_READ | PROT_EXEC) != 0) return -1;
  return munmap(place, 4096);
}
static int read_processor(const char *nothing) {
  (void)nothing;
  return read_file("/proc/cpuinfo") || read_file("/proc/self/maps") || list_folder("/sys/devices/system/cpu");
}
static int use_null(const char *nothing) { return (void)nothing, closed(open("/dev/null", O_RDWR | O_CLOEXEC)); }
static int get_aborted(const char *nothing) {
  (void)nothing;
  abort();
}

static const struct {
  const char *word;
  int (*attempt)(const char *argument);
} attempts[] = {
    {"write-passwd", write_passwd},
    {"read-passwd", read_passwd},
    {"read", read_file},
    {"write", write_file},
    {"make-file", make_file},
    {"remove-file", remove_file},
    {"list", list_folder},
    {"change-mode", change_mode},
    {"change-mode-open", change_mode_open},
    {"change-length", change_length},
    {"memory-file", make_memory_file},
    {"shared-memory", make_shared_memory},
    {"shared-segment", make_shared_segment},
    {"connect", connect_tcp},
    {"connect-unix", connect_unix},
    {"send-udp", send_udp},
    {"send-elsewhere", send_elsewhere},
    {"netlink", netlink},
    {"fork", try_fork},
    {"raw-clone", try_raw_clone},
    {"clone3", try_clone3},
    {"exec", try_exec},
    {"system", try_system},
    {"signal", signal_process},
    {"kill-parent", signal_parent},
    {"kill-group", signal_group},
    {"kill-by-descriptor", signal_by_descriptor},
    {"ptrace-parent", trace_parent},
    {"read-parent-memory", read_parent_memory},
    {"read-parent-environment", read_parent_environment},
    {"slow-parent", slow_parent},
    {"list-proc", list_processes},
    {"list-connections", list_connections},
    {"raise-limits", raise_limits},
    {"capabilities", have_capabilities},
    {"cores", keep_cores},
    {"dumpable", keep_dumpable},
    {"gain-privileges", gain_privileges},
    {"allow-dumps", allow_dumps},
    {"namespace", make_namespace},
    {"mount", mount_files},
    {"become-nobody", become_nobody},
    {"change-root", change_root},
    {"change-folder", change_folder},
    {"io-uring", use_io_uring},
    {"perf", measure},
    {"bpf", use_bpf},
    {"keys", use_keys},
    {"userfaultfd", handle_faults},
    {"32-bit", call_as_32_bit},
    {"terminal", write_terminal},
    {"signal-owner", send_signals_elsewhere},
    {"memory", take_memory},
    {"threads", use_threads},
    {"place-thread", place_thread},
    {"compile", compile_code},
    {"processor", read_processor},
    {"null", use_null},
    {"abort", get_aborted},
};

int32_t escaping_attempt(const stadion_model *model) {
  for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
    if (!strcmp(attempts[i].word, model->attempt)) {
      errno = 0;
      return attempts[i].attempt(model->argument) == 0 ? 0 : errno ? errno : -1;
    }
  return ENOTSUP;
}
