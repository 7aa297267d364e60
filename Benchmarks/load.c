// Closed-loop load over a Unix stream socket: every connection has one request in flight. Prints one JSON object.
#include <fcntl.h>
#include <getopt.h>
#include <sys/epoll.h>

#include "http.h"
#include "samples.h"

enum { MAX_PROCESSES = 16 };

struct plan {
  const char *socket;
  int connections, core;
  uint64_t request_limit, warm_up;  // requests; no limit when 0
  double seconds;
  pid_t processes[MAX_PROCESSES];  // whose CPU time is counted
  int process_count;
};

// What happened after the warm-up.
struct tally {
  struct samples samples;
  uint64_t answered, errors, begin_ns, end_ns, begin_cpu_ns, cpu_ns;
};

static const char usage[] =
    "usage: load --socket PATH (--model NAME [--input NAME] [--shape 1,16] [--json] [--echoes] | --get PATH |\n"
    "            --request FILE) [--connections 1] [--seconds 2] [--requests N] [--warm-up 200] [--core N]\n"
    "            [--api-key KEY] [--pid PID]...\n";

static uint64_t cpu_ns(const struct plan *plan) {
  uint64_t sum = 0;
  for (int i = 0; i < plan->process_count; i++) sum += process_cpu_ns(plan->processes[i]);
  return sum;
}

static void begin(const struct plan *plan, struct tally *tally) {
  tally->begin_cpu_ns = cpu_ns(plan);
  tally->begin_ns = now_ns();
}

// Books one answer; false when the plan is fulfilled. `index` counts all answers from 1, the warm-up too.
static bool book(const struct plan *plan, struct tally *tally, struct connection *connection, struct request *request,
                 uint64_t index) {
  uint64_t now = now_ns();
  const char *problem = problem_with(connection, request);
  if (problem != NULL && tally->errors++ == 0)
    fprintf(stderr, "wrong answer %llu: %s\n%.600s\n", (unsigned long long)index, problem, connection->buffer);
  if (index < plan->warm_up) return true;
  if (index == plan->warm_up) {
    begin(plan, tally);
    return true;
  }
  if (connection->started_ns < tally->begin_ns) return true;  // sent during the warm-up
  add_sample(&tally->samples, now - connection->started_ns);
  tally->answered++;
  tally->end_ns = now;
  return !(plan->request_limit > 0 && tally->answered >= plan->request_limit) &&
         (double)(now - tally->begin_ns) < plan->seconds * 1e9;
}

// Blocking calls: the least a client can add to a latency.
static void run_one(const struct plan *plan, struct tally *tally, struct request *request) {
  struct connection connection = {.fd = connect_unix(plan->socket)};
  uint64_t index = 0;
  do exchange(&connection, request);
  while (book(plan, tally, &connection, request, ++index));
}

// Starts the connection's next request and watches for room to send only while there is something left to send.
static void send_next(int epoll, struct connection *connection, const struct request *request, bool was_full) {
  if (send_some(connection, request) == BROKEN) die_broken(connection);
  bool is_full = connection->sent < request->byte_count;
  if (is_full == was_full) return;
  struct epoll_event event = {.events = EPOLLIN | (is_full ? EPOLLOUT : 0u), .data.ptr = connection};
  epoll_ctl(epoll, EPOLL_CTL_MOD, connection->fd, &event);
}

static void run_many(const struct plan *plan, struct tally *tally, struct request *request) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct connection *connections = calloc((size_t)plan->connections, sizeof *connections);
  if (epoll < 0 || connections == NULL) die("no epoll or memory for %d connections", plan->connections);
  for (int i = 0; i < plan->connections; i++) {
    connections[i].fd = connect_unix(plan->socket);
    fcntl(connections[i].fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
    send_next(epoll, &connections[i], request, false);
  }
  struct epoll_event events[64];
  for (uint64_t index = 0;;) {
    int ready = epoll_wait(epoll, events, 64, 10000);
    if (ready == 0) die("no answer for 10 s");
    for (int i = 0; i < ready; i++) {
      struct connection *connection = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) send_next(epoll, connection, request, true);
      if (!(events[i].events & ~(unsigned)EPOLLOUT)) continue;
      enum outcome outcome = receive_some(connection);
      if (outcome == BROKEN) die_broken(connection);
      if (outcome == WAITING) continue;
      if (!book(plan, tally, connection, request, ++index)) return;
      bool was_full = connection->sent < request->byte_count;
      start_over(connection);
      send_next(epoll, connection, request, was_full);
    }
  }
}

static void print_tally(const struct tally *tally, const struct request *request, size_t response_bytes) {
  struct samples samples = tally->samples;
  double seconds = (double)(tally->end_ns - tally->begin_ns) / 1e9;
  printf("{");
  print_samples(&samples);
  double answered = (double)tally->answered;
  printf(", \"requests\": %.0f, \"errors\": %llu, \"seconds\": %.4f, \"requests_per_second\": %.1f", answered,
         (unsigned long long)tally->errors, seconds, answered / seconds);
  printf(", \"server_cpu_us_per_request\": %.3f, \"request_bytes\": %zu, \"response_bytes\": %zu}\n",
         (double)tally->cpu_ns / 1e3 / answered, request->byte_count, response_bytes);
}

// The size of one response with its head, asked for on a connection of its own.
static size_t response_size(const struct plan *plan, struct request *request) {
  struct connection connection = {.fd = connect_unix(plan->socket)};
  exchange(&connection, request);
  const char *problem = problem_with(&connection, request);
  if (problem != NULL) die("first answer: %s\n%.600s", problem, connection.buffer);
  close(connection.fd);
  free(connection.buffer);
  return connection.received;
}

int main(int count, char **arguments) {
  struct plan plan = {.connections = 1, .core = -1, .warm_up = 200, .seconds = 2};
  const char *model = NULL, *input = "INPUT0", *shape = "1,16", *path = NULL, *file = NULL, *key = NULL;
  bool json = false, echoes = false;
  static const struct option options[] = {
      {"socket", 1, 0, 's'},      {"model", 1, 0, 'm'},   {"input", 1, 0, 'i'},    {"shape", 1, 0, 'h'},
      {"json", 0, 0, 'j'},        {"echoes", 0, 0, 'e'},  {"get", 1, 0, 'g'},      {"request", 1, 0, 'r'},
      {"connections", 1, 0, 'c'}, {"seconds", 1, 0, 't'}, {"requests", 1, 0, 'n'}, {"warm-up", 1, 0, 'w'},
      {"core", 1, 0, 'p'},        {"pid", 1, 0, 'P'},     {"api-key", 1, 0, 'k'},  {0, 0, 0, 0}};
  for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) switch (option) {
      case 's': plan.socket = optarg; break;
      case 'm': model = optarg; break;
      case 'i': input = optarg; break;
      case 'h': shape = optarg; break;
      case 'j': json = true; break;
      case 'e': echoes = true; break;
      case 'g': path = optarg; break;
      case 'r': file = optarg; break;
      case 'c': plan.connections = atoi(optarg); break;
      case 't': plan.seconds = atof(optarg); break;
      case 'n': plan.request_limit = strtoull(optarg, NULL, 10); break;
      case 'w': plan.warm_up = strtoull(optarg, NULL, 10); break;
      case 'k': key = optarg; break;
      case 'p': plan.core = atoi(optarg); break;
      case 'P':
        if (plan.process_count == MAX_PROCESSES) die("more than %d processes", MAX_PROCESSES);
        plan.processes[plan.process_count++] = atoi(optarg);
        break;
      default: die(usage);
    }
  if (plan.socket == NULL || (model != NULL) + (path != NULL) + (file != NULL) != 1 || plan.connections < 1) die(usage);

  struct request request = model  ? tensor_request(model, input, shape, json)
                           : path ? get_request(path)
                                  : file_request(file);
  request.echoes = echoes && model != NULL;
  if (key != NULL) add_field(&request, "X-API-Key", key);
  pin_to_core(plan.core);
  struct tally tally = {.samples = make_samples()};
  size_t response_bytes = response_size(&plan, &request);
  if (plan.warm_up == 0) begin(&plan, &tally);
  (plan.connections == 1 ? run_one : run_many)(&plan, &tally, &request);
  tally.cpu_ns = cpu_ns(&plan) - tally.begin_cpu_ns;
  if (tally.answered == 0) die("no answer after the warm-up");
  print_tally(&tally, &request, response_bytes);
  return 0;
}
