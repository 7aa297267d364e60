// Open-loop load over a Unix stream socket: requests at a constant rate, whatever the answers are, and what became of
// each. A latency counts from when its request was due, so that a host that stalls can't hide what waited meanwhile.
// Prints one JSON object.
#include <getopt.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "http.h"
#include "samples.h"

enum { PATIENCE_SECONDS = 10 };  // an answer that is still missing so long after the last request was due is lost

struct caller {
  struct connection connection;
  uint64_t due_ns;  // of the request in flight
};

struct load {
  const char *socket;
  double rate, seconds, warm_up;
  int caller_count, idle_count;
  struct caller *callers, **idle;
  struct request request;
  int epoll, timer;
  uint64_t begin_ns, total, next;  // `next` is the number of the request that is due next, from 0
};

// What became of requests. All but `samples` hold the warm-up, too.
struct fates {
  struct samples samples;  // of answers with status 200
  uint64_t ok, limited, bad_gateway, unavailable, other;
  uint64_t wrong;  // a 200 with another body, an error without a JSON message; already in the counts above
  uint64_t lost;   // no answer, half of one, or a connection that the host ended unasked
  uint64_t longest_ns;
};

static const char usage[] =
    "usage: steady --socket PATH --model NAME --rate N [--input NAME] [--shape 1,16] [--connections 16] [--seconds 2]\n"
    "              [--warm-up 0.2]";

// Says what is wrong with a few requests; thousands would say the same.
static void complain(const char *problem, const struct connection *connection) {
  static int complaints;
  if (complaints++ < 5) fprintf(stderr, "%s\n%.600s\n", problem, connection->buffer != NULL ? connection->buffer : "");
}

static uint64_t due_ns(const struct load *load, uint64_t number) {
  return load->begin_ns + (uint64_t)((double)number * 1e9 / load->rate);
}

// Makes a caller ready for its next request, on a new connection if the old one has ended.
static void become_idle(struct load *load, struct caller *caller, bool is_over) {
  if (is_over) {
    if (caller->connection.fd >= 0) close(caller->connection.fd);
    // Blocking: a request is far smaller than a socket's buffer, and nothing is read before there is something.
    caller->connection.fd = connect_unix(load->socket);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = caller};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, caller->connection.fd, &event) != 0) die("epoll: %s", strerror(errno));
  }
  start_over(&caller->connection);
  caller->due_ns = 0;
  load->idle[load->idle_count++] = caller;
}

static void send_due(struct load *load, struct fates *fates, uint64_t now) {
  while (load->next < load->total && load->idle_count > 0 && due_ns(load, load->next) <= now) {
    struct caller *caller = load->idle[--load->idle_count];
    caller->due_ns = due_ns(load, load->next++);
    if (send_some(&caller->connection, &load->request) == BROKEN) {
      complain("the host closed a connection between two requests", &caller->connection);
      fates->lost++;
      become_idle(load, caller, true);
    }
  }
}

static bool is_json_error(const struct connection *connection) {
  const char *body = connection->buffer + connection->head_count;
  return body[0] == '{' && strstr(body, "\"error\"") != NULL && connection->buffer[connection->received - 1] == '}';
}

static void book(struct load *load, struct fates *fates, struct caller *caller) {
  struct connection *connection = &caller->connection;
  uint64_t latency = now_ns() - caller->due_ns;
  connection->buffer[connection->received] = '\0';
  if (latency > fates->longest_ns) fates->longest_ns = latency;
  if (connection->status == 200) {
    fates->ok++;
    if ((double)(caller->due_ns - load->begin_ns) >= load->warm_up * 1e9) add_sample(&fates->samples, latency);
    const char *problem = problem_with(connection, &load->request);
    if (problem == NULL) return;
    complain(problem, connection);
    fates->wrong++;
    return;
  }
  if (connection->status == 429) fates->limited++;
  else if (connection->status == 502) fates->bad_gateway++;
  else if (connection->status == 503) fates->unavailable++;
  else {
    fates->other++;
    complain("status is not 200, 429, 502 or 503", connection);
  }
  if (is_json_error(connection)) return;
  complain("an error without a JSON message", connection);
  fates->wrong++;
}

static void receive(struct load *load, struct fates *fates, struct caller *caller) {
  enum outcome outcome = receive_some(&caller->connection);
  if (outcome == WAITING) return;
  bool was_asked = caller->due_ns != 0, is_over = outcome == BROKEN;
  if (outcome == ANSWERED && was_asked) {
    book(load, fates, caller);
    // The host may end a connection with an answer, if it says so.
    is_over = strcasestr(caller->connection.buffer, "\r\nconnection: close") != NULL;
  } else {
    complain(was_asked ? "the host closed a connection before its answer" : "the host spoke or left without a request",
             &caller->connection);
    fates->lost++;
  }
  if (!was_asked) {  // It is among the idle ones, and is put there again.
    for (int i = 0; i < load->idle_count; i++)
      if (load->idle[i] == caller) load->idle[i] = load->idle[--load->idle_count];
    is_over = true;
  }
  become_idle(load, caller, is_over);
}

static void sleep_until(struct load *load, uint64_t due) {
  struct itimerspec time = {.it_value = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)}};
  if (timerfd_settime(load->timer, TFD_TIMER_ABSTIME, &time, NULL) != 0) die("timer: %s", strerror(errno));
}

static void run(struct load *load, struct fates *fates) {
  load->begin_ns = now_ns();
  uint64_t last_chance = due_ns(load, load->total) + PATIENCE_SECONDS * 1000000000ull;
  struct epoll_event events[64];
  while (load->next < load->total || load->idle_count < load->caller_count) {
    uint64_t now = now_ns();
    if (now >= last_chance) {
      uint64_t unanswered = (uint64_t)(load->caller_count - load->idle_count), unsent = load->total - load->next;
      fprintf(stderr, "%llu requests have no answer after %d s, %llu could not be sent\n",
              (unsigned long long)unanswered, PATIENCE_SECONDS, (unsigned long long)unsent);
      fates->lost += unanswered + unsent;
      return;
    }
    send_due(load, fates, now);
    bool waits_for_time = load->next < load->total && load->idle_count > 0;
    sleep_until(load, waits_for_time ? due_ns(load, load->next) : last_chance);
    int ready = epoll_wait(load->epoll, events, 64, -1);
    for (int i = 0; i < ready; i++)
      if (events[i].data.ptr != NULL) receive(load, fates, events[i].data.ptr);
    // The timer stays readable until it is set again.
  }
}

static void print_fates(struct fates *fates, const struct load *load) {
  printf("{");
  print_samples(&fates->samples);
  printf(", \"longest_us\": %.3f, \"requests\": %llu", (double)fates->longest_ns / 1e3,
         (unsigned long long)load->total);
  printf(", \"200\": %llu, \"429\": %llu, \"502\": %llu, \"503\": %llu", (unsigned long long)fates->ok,
         (unsigned long long)fates->limited, (unsigned long long)fates->bad_gateway,
         (unsigned long long)fates->unavailable);
  printf(", \"other\": %llu, \"wrong\": %llu, \"lost\": %llu}\n", (unsigned long long)fates->other,
         (unsigned long long)fates->wrong, (unsigned long long)fates->lost);
}

int main(int count, char **arguments) {
  struct load load = {.seconds = 2, .warm_up = 0.2, .caller_count = 16};
  const char *model = NULL, *input = "INPUT0", *shape = "1,16";
  static const struct option options[] = {{"socket", 1, 0, 's'},  {"model", 1, 0, 'm'},   {"input", 1, 0, 'i'},
                                          {"shape", 1, 0, 'h'},   {"rate", 1, 0, 'r'},    {"connections", 1, 0, 'c'},
                                          {"seconds", 1, 0, 't'}, {"warm-up", 1, 0, 'w'}, {0, 0, 0, 0}};
  for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) switch (option) {
      case 's': load.socket = optarg; break;
      case 'm': model = optarg; break;
      case 'i': input = optarg; break;
      case 'h': shape = optarg; break;
      case 'r': load.rate = atof(optarg); break;
      case 'c': load.caller_count = atoi(optarg); break;
      case 't': load.seconds = atof(optarg); break;
      case 'w': load.warm_up = atof(optarg); break;
      default: die(usage);
    }
  if (load.socket == NULL || model == NULL || !(load.rate > 0) || load.caller_count < 1) die(usage);

  load.request = tensor_request(model, input, shape, false);
  load.request.echoes = true;
  if (load.request.byte_count > 64 * 1024) die("a request of %zu bytes may not fit a socket", load.request.byte_count);
  load.total = (uint64_t)((load.seconds + load.warm_up) * load.rate);
  load.epoll = epoll_create1(EPOLL_CLOEXEC);
  load.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, load.timer, &event) != 0) die("epoll: %s", strerror(errno));
  load.callers = calloc((size_t)load.caller_count, sizeof *load.callers);
  load.idle = calloc((size_t)load.caller_count, sizeof *load.idle);
  if (load.callers == NULL || load.idle == NULL) die("no memory for %d connections", load.caller_count);
  for (int i = 0; i < load.caller_count; i++) {
    load.callers[i].connection.fd = -1;
    become_idle(&load, &load.callers[i], true);
  }
  struct fates fates = {.samples = make_samples()};
  run(&load, &fates);
  print_fates(&fates, &load);
  return 0;
}
