// The floor: two processes that pass the bytes of a request and of a response over a Unix stream socket, and nothing
// else. Prints one JSON object.
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>

#include "samples.h"

static const char usage[] = "usage: ping --request BYTES --response BYTES [--seconds 1] [--core N] [--other-core N]\n";

// False when the other side has gone.
static bool send_all(int fd, const char *bytes, size_t count) {
  while (count > 0) {
    ssize_t n = send(fd, bytes, count, MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes += n;
    count -= (size_t)n;
  }
  return true;
}

static bool receive_all(int fd, char *bytes, size_t count) {
  while (count > 0) {
    ssize_t n = recv(fd, bytes, count, 0);
    if (n <= 0) return false;
    bytes += n;
    count -= (size_t)n;
  }
  return true;
}

static void answer(int fd, char *bytes, size_t request, size_t response) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (receive_all(fd, bytes, request) && send_all(fd, bytes, response)) {
  }
  _exit(0);
}

int main(int count, char **arguments) {
  size_t request = 0, response = 0;
  double seconds = 1;
  int core = -1, other_core = -1, ends[2];
  static const struct option options[] = {{"request", 1, 0, 'q'}, {"response", 1, 0, 'a'},   {"seconds", 1, 0, 't'},
                                          {"core", 1, 0, 'p'},    {"other-core", 1, 0, 'o'}, {0, 0, 0, 0}};
  for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) switch (option) {
      case 'q': request = strtoul(optarg, NULL, 10); break;
      case 'a': response = strtoul(optarg, NULL, 10); break;
      case 't': seconds = atof(optarg); break;
      case 'p': core = atoi(optarg); break;
      case 'o': other_core = atoi(optarg); break;
      default: die(usage);
    }
  if (request == 0 || response == 0) die(usage);

  size_t capacity = request > response ? request : response;
  char *bytes = take_memory(capacity);
  memset(bytes, 'x', capacity);
  pin_to_core(core);  // the child too, until it moves
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) die("socketpair: %s", strerror(errno));
  pid_t child = fork();
  if (child < 0) die("fork: %s", strerror(errno));
  if (child == 0) {
    close(ends[0]);
    pin_to_core(other_core);
    answer(ends[1], bytes, request, response);
  }
  close(ends[1]);

  struct samples samples = make_samples();
  uint64_t begin = now_ns(), end = begin + (uint64_t)(seconds * 1.1 * 1e9);
  for (uint64_t now = begin; now < end;) {
    uint64_t started = now_ns();
    if (!send_all(ends[0], bytes, request) || !receive_all(ends[0], bytes, response)) die("the other process has gone");
    now = now_ns();
    if (now - begin > (uint64_t)(seconds * 0.1 * 1e9)) add_sample(&samples, now - started);  // first tenth: warm-up
  }
  printf("{");
  print_samples(&samples);
  printf(", \"request_bytes\": %zu, \"response_bytes\": %zu}\n", request, response);
  return 0;
}
