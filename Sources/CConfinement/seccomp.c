// Which system calls are left, as a BPF program.
//
// A list of what is allowed: what nobody thought of is refused. The kernel remembers which calls are allowed whatever
// their arguments are, so the list's length costs nothing; only calls whose arguments are looked at run the program.
// BPF sees arguments, not what they point to. An argument that the kernel takes for an int is compared as one: its
// upper half is noise that a caller may choose.
#include "confinement.h"

#include <asm/sockios.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/fscrypt.h>
#include <linux/fsverity.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#define COUNT(list)  (sizeof(list) / sizeof *(list))
#define REFUSE(code) (SECCOMP_RET_ERRNO | (code))
// What programs do without when a kernel is too old for it, so not EPERM. Also covers the numbers of x32, from 2^30 on.
#define NEWEST_JUDGED_CALL 470  // listns, Linux 6.18

// Allowed whatever the arguments are.
static const uint32_t allowed[] = {
    // Open files, pipes, sockets and events.
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_preadv2,
    SYS_pwritev2,
    SYS_lseek,
    SYS_close,
    SYS_close_range,
    SYS_dup,
    SYS_dup3,
    SYS_flock,
    SYS_fsync,
    SYS_fdatasync,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fadvise64,
    SYS_readahead,
    SYS_sendfile,
    SYS_splice,
    SYS_tee,
    SYS_copy_file_range,
    SYS_pipe2,
    SYS_eventfd2,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_ppoll,
    SYS_pselect6,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_signalfd4,
    SYS_memfd_create,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_recvmmsg,
    SYS_sendmsg,
    SYS_shutdown,
    SYS_getsockopt,
    SYS_getsockname,
    SYS_getpeername,
    // Files by name: Landlock decides which.
    SYS_openat,
    SYS_newfstatat,
    SYS_fstat,
    SYS_statx,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_getcwd,
    SYS_statfs,
    SYS_fstatfs,
    SYS_umask,
    // Memory. Engines compile code, so PROT_EXEC is allowed.
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_madvise,
    SYS_brk,
    SYS_mincore,
    SYS_msync,
    SYS_mlock,
    SYS_mlock2,
    SYS_munlock,
    SYS_mlockall,
    SYS_munlockall,
    SYS_mbind,
    SYS_set_mempolicy,
    SYS_get_mempolicy,
    SYS_membarrier,
    SYS_pkey_alloc,
    SYS_pkey_free,
    SYS_pkey_mprotect,
    // Threads.
    SYS_futex,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_rseq,
    SYS_exit,
    SYS_exit_group,
    SYS_restart_syscall,
    SYS_gettid,
    SYS_getpid,
    SYS_getppid,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_getscheduler,
    SYS_sched_getparam,
    SYS_sched_getattr,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_sched_rr_get_interval,
    SYS_getpriority,
    SYS_getcpu,
    // Signals and time.
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigpending,
    SYS_rt_sigtimedwait,
    SYS_rt_sigsuspend,
    SYS_sigaltstack,
    SYS_timer_create,
    SYS_timer_settime,
    SYS_timer_gettime,
    SYS_timer_getoverrun,
    SYS_timer_delete,
    SYS_setitimer,
    SYS_getitimer,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_times,
    // Facts.
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getresuid,
    SYS_getresgid,
    SYS_getgroups,
    SYS_uname,
    SYS_sysinfo,
    SYS_getrusage,
    SYS_getrandom,
#ifdef __x86_64__
    // Older forms of the same, which aarch64 never had.
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_getdents,
    SYS_dup2,
    SYS_pipe,
    SYS_eventfd,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_poll,
    SYS_select,
    SYS_signalfd,
    SYS_pause,
    SYS_alarm,
    SYS_time,
    SYS_getrlimit,
    SYS_arch_prctl,  // AMX must be asked for.
#endif
#ifdef SYS_epoll_pwait2
    SYS_epoll_pwait2,
#endif
#ifdef SYS_futex_waitv
    SYS_futex_waitv,
#endif
#ifdef SYS_set_mempolicy_home_node
    SYS_set_mempolicy_home_node,
#endif
};

// Names of files, below the folders that Landlock leaves writable.
static const uint32_t allowed_to_writers[] = {
    SYS_flock,    SYS_mkdirat, SYS_unlinkat, SYS_renameat2,
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef __x86_64__
    SYS_mkdir,    SYS_unlink,  SYS_rmdir,    SYS_rename,
#endif
};

// glibc does without these when they aren't there; their arguments lie in memory, where the filter can't look.
static const uint32_t not_there[] = {SYS_clone3, SYS_openat2};

// Would let the kernel send signals to other processes, or make others wait for files.
static const uint32_t refused_file_controls[] = {F_SETOWN, F_SETOWN_EX, F_SETSIG, F_NOTIFY, F_SETLEASE};

// What one asks of pipes, files and terminals. The others change files that are open for reading, or put words into a
// terminal that other programs read.
static const uint32_t allowed_device_controls[] = {FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, TCGETS, TIOCGWINSZ};
// A driver has its own, so where there are devices these are what is still refused.
static const uint32_t refused_device_controls[] = {
    FIOSETOWN,
    SIOCSPGRP,
    TIOCSTI,
    TIOCSCTTY,
    TIOCSETD,
    TIOCCONS,
    TIOCLINUX,
    FS_IOC_SETFLAGS,
    FS_IOC_FSSETXATTR,
    FS_IOC_ENABLE_VERITY,
    FS_IOC_SET_ENCRYPTION_POLICY,
};

// Names, what reads, and what tunes the calling process alone.
static const uint32_t allowed_process_controls[] = {
    PR_SET_NAME,
    PR_GET_NAME,
    PR_SET_VMA,
    PR_GET_DUMPABLE,
    PR_GET_PDEATHSIG,
    PR_GET_NO_NEW_PRIVS,
    PR_GET_SECCOMP,
    PR_CAPBSET_READ,
    PR_SET_TIMERSLACK,
    PR_GET_TIMERSLACK,
    PR_SET_THP_DISABLE,
    PR_GET_THP_DISABLE,
    PR_SVE_SET_VL,
    PR_SVE_GET_VL,
    PR_SME_SET_VL,
    PR_SME_GET_VL,
    PR_SET_TAGGED_ADDR_CTRL,
    PR_GET_TAGGED_ADDR_CTRL,
    PR_PAC_RESET_KEYS,
};

struct program {
  struct sock_filter steps[1024];
  unsigned short count;
};

static void step(struct program *program, uint16_t code, uint32_t value, uint8_t yes, uint8_t no) {
  if (program->count < COUNT(program->steps))
    program->steps[program->count++] = (struct sock_filter){code, yes, no, value};
}

static void load(struct program *program, size_t offset) {
  step(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void answer(struct program *program, uint32_t verdict) { step(program, BPF_RET | BPF_K, verdict, 0, 0); }

// Goes on with the next step if the loaded value is `value`, else skips `count` steps.
static void if_equal(struct program *program, uint32_t value, uint8_t count) {
  step(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, count);
}

static void decide_all(struct program *program, const uint32_t *calls, size_t count, uint32_t verdict) {
  for (size_t i = 0; i < count; i++) {
    if_equal(program, calls[i], 1);
    answer(program, verdict);
  }
}

static size_t low_half(int argument) {
  return offsetof(struct seccomp_data, args) + (size_t)argument * sizeof(uint64_t);  // Little-endian.
}

// `call` gets `found` if its argument, as an int, is one of `values`, else `other`.
static void decide_by(struct program *program, uint32_t call, int argument, const uint32_t *values, size_t count,
                      uint32_t found, uint32_t other) {
  if_equal(program, call, (uint8_t)(2 * count + 2));
  load(program, low_half(argument));
  decide_all(program, values, count, found);
  answer(program, other);
}

// clone: threads, and no namespaces with them.
static void decide_clone(struct program *program) {
  const uint32_t namespaces =
      CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  if_equal(program, SYS_clone, 5);
  load(program, low_half(0));
  step(program, BPF_ALU | BPF_AND | BPF_K, CLONE_THREAD | namespaces, 0, 0);
  if_equal(program, CLONE_THREAD, 1);
  answer(program, SECCOMP_RET_ALLOW);
  answer(program, REFUSE(EPERM));
}

// sendto without an address, which is send: an unconnected socket must not reach other processes.
static void decide_sendto(struct program *program) {
  if_equal(program, SYS_sendto, 6);
  load(program, low_half(4));
  if_equal(program, 0, 3);
  load(program, low_half(4) + 4);
  if_equal(program, 0, 1);
  answer(program, SECCOMP_RET_ALLOW);
  answer(program, REFUSE(EPERM));
}

// Calls that name a process or thread: only the calling one.
static void decide_processes(struct program *program) {
  const uint32_t own = (uint32_t)getpid(), own_or_calling[] = {0, own};
  static const uint32_t signals[] = {SYS_kill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo};
  for (size_t i = 0; i < COUNT(signals); i++)
    decide_by(program, signals[i], 0, &own, 1, SECCOMP_RET_ALLOW, REFUSE(EPERM));
  static const uint32_t settings[] = {SYS_sched_setscheduler, SYS_sched_setparam, SYS_sched_setattr, SYS_prlimit64,
                                      SYS_move_pages};
  for (size_t i = 0; i < COUNT(settings); i++)
    decide_by(program, settings[i], 0, own_or_calling, 2, SECCOMP_RET_ALLOW, REFUSE(EPERM));
  // Thread pools place their threads by id, and OpenMP ends the process when that fails. Nothing here can tell whose
  // thread it is, so the hint is taken and not followed.
  decide_by(program, SYS_sched_setaffinity, 0, own_or_calling, 2, SECCOMP_RET_ALLOW, REFUSE(0));
}

int linux_filter_system_calls(long rights) {
#ifndef ARCHITECTURE
  (void)rights;
  return ENOSYS;
#else
  static struct program program;
  program.count = 0;
  load(&program, offsetof(struct seccomp_data, arch));
  step(&program, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
  answer(&program, SECCOMP_RET_KILL_PROCESS);  // 32-bit calls have other numbers.
  load(&program, offsetof(struct seccomp_data, nr));

  if (rights & LINUX_MAY_IOCTL)
    decide_by(&program, SYS_ioctl, 1, refused_device_controls, COUNT(refused_device_controls), REFUSE(EPERM),
              SECCOMP_RET_ALLOW);
  else
    decide_by(&program, SYS_ioctl, 1, allowed_device_controls, COUNT(allowed_device_controls), SECCOMP_RET_ALLOW,
              REFUSE(ENOTTY));
  decide_by(&program, SYS_fcntl, 1, refused_file_controls, COUNT(refused_file_controls), REFUSE(EPERM),
            SECCOMP_RET_ALLOW);
  decide_by(&program, SYS_prctl, 0, allowed_process_controls, COUNT(allowed_process_controls), SECCOMP_RET_ALLOW,
            REFUSE(EPERM));
  decide_sendto(&program);
  decide_clone(&program);
  decide_processes(&program);
  decide_all(&program, allowed, COUNT(allowed), SECCOMP_RET_ALLOW);
  if (rights & LINUX_MAY_CHANGE) decide_all(&program, allowed_to_writers, COUNT(allowed_to_writers), SECCOMP_RET_ALLOW);
  decide_all(&program, not_there, COUNT(not_there), REFUSE(ENOSYS));
  step(&program, BPF_JMP | BPF_JGT | BPF_K, NEWEST_JUDGED_CALL, 0, 1);
  answer(&program, REFUSE(ENOSYS));
  answer(&program, REFUSE(EPERM));

  if (program.count == COUNT(program.steps)) return E2BIG;
  struct sock_fprog filter = {.len = program.count, .filter = program.steps};
  // Positive: the thread that TSYNC couldn't bring along.
  long code = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
  return code == 0 ? 0 : code > 0 ? EBUSY : errno;
#endif
}
