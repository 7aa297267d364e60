// Opens idle connections, says what they cost the host, and holds them until standard input ends, so that others can
// measure meanwhile. Each connection has had one request answered before it idles, like a client's between two uses.
// Prints one JSON object on one line.
#include <getopt.h>
#include <sys/resource.h>

#include "http.h"

enum { OPENING_SECONDS = 60 };  // a host that does not answer must not hold up the benchmark

static const char usage[] = "usage: idle --socket PATH --pid PID [--connections 10000] [--model identity]\n";

// A figure of /proc/PID/status in bytes, such as "RssAnon:".
static long status_bytes(pid_t pid, const char *key) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) die("%s: %s", path, strerror(errno));
  long kilobytes = -1;
  while (kilobytes < 0 && fgets(line, sizeof line, file))
    if (strncmp(line, key, strlen(key)) == 0) kilobytes = atol(line + strlen(key));
  fclose(file);
  if (kilobytes < 0) die("no %s in %s", key, path);
  return kilobytes * 1024;
}

static void allow_descriptors(rlim_t count) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= count) return;
  limit.rlim_cur = count;
  if (limit.rlim_max < count) limit.rlim_max = count;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) die("%lu descriptors: %s", (unsigned long)count, strerror(errno));
}

static void answer_one(struct connection *connection, struct request *request) {
  exchange(connection, request);
  const char *problem = problem_with(connection, request);
  if (problem != NULL) die("an idle connection's answer: %s\n%.600s", problem, connection->buffer);
}

int main(int count, char **arguments) {
  const char *socket_path = NULL, *model = "identity";
  pid_t pid = 0;
  long wanted = 10000;
  static const struct option options[] = {
      {"socket", 1, 0, 's'}, {"pid", 1, 0, 'P'}, {"connections", 1, 0, 'c'}, {"model", 1, 0, 'm'}, {0, 0, 0, 0}};
  for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) switch (option) {
      case 's': socket_path = optarg; break;
      case 'P': pid = atoi(optarg); break;
      case 'c': wanted = atol(optarg); break;
      case 'm': model = optarg; break;
      default: die(usage);
    }
  if (socket_path == NULL || pid <= 0 || wanted <= 0) die(usage);
  allow_descriptors((rlim_t)wanted + 64);

  alarm(OPENING_SECONDS);
  struct request request = tensor_request(model, "INPUT0", "1,16", false);
  request.echoes = true;
  struct connection connection = {.fd = connect_unix(socket_path)};  // one buffer, many descriptors
  for (int i = 0; i < 1000; i++) answer_one(&connection, &request);  // the host's own buffers are there before "before"
  long anonymous_before = status_bytes(pid, "RssAnon:"), resident_before = status_bytes(pid, "VmRSS:");
  uint64_t begin = now_ns();
  for (long i = 0; i < wanted; i++) {
    connection.fd = connect_unix(socket_path);  // stays open until this process ends
    answer_one(&connection, &request);
  }
  double seconds = (double)(now_ns() - begin) / 1e9;
  long anonymous = status_bytes(pid, "RssAnon:"), resident = status_bytes(pid, "VmRSS:");
  printf("{\"connections\": %ld, \"bytes_per_connection\": %.1f, \"anonymous_before\": %ld, \"anonymous\": %ld, "
         "\"resident_before\": %ld, \"resident\": %ld, \"opening_us_each\": %.2f}\n",
         wanted, (double)(anonymous - anonymous_before) / (double)wanted, anonymous_before, anonymous, resident_before,
         resident, seconds * 1e6 / (double)wanted);
  fflush(stdout);
  alarm(0);
  while (getchar() != EOF) {
  }
  return 0;
}
