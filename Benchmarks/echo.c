// The least server that load generators can be measured against: one thread, a Unix stream socket, and of the protocol
// what `stadion bench` asks for. Answers each inference with the tensor that ends its request. Runs until it is killed.
#include <getopt.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include "http.h"

enum { VALUES = 16, TENSOR_BYTES = VALUES * sizeof(float), REQUEST_ROOM = 4096 };

struct peer {
  int fd;
  size_t received;
  char buffer[REQUEST_ROOM + 1];
};

static const char usage[] = "usage: echo --socket PATH [--core N]\n";
static const char metadata[] = "{\"name\":\"identity\",\"versions\":[\"1\"],\"platform\":\"echo\","
                               "\"inputs\":[{\"name\":\"INPUT0\",\"datatype\":\"FP32\",\"shape\":[1,16]}],"
                               "\"outputs\":[{\"name\":\"OUTPUT0\",\"datatype\":\"FP32\",\"shape\":[1,16]}]}";
static const char output[] =
    "{\"model_name\":\"identity\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"OUTPUT0\",\"datatype\":\"FP32\","
    "\"shape\":[1,16],\"parameters\":{\"binary_data_size\":64}}]}";

// Answers fit into an empty socket buffer: each peer has one request under way.
static bool answer(const struct peer *peer, size_t head_count, size_t body_count) {
  static char bytes[1024];
  static size_t inference_count;
  if (memcmp(peer->buffer, "POST ", 5) == 0) {
    if (body_count < TENSOR_BYTES) return false;
    if (inference_count == 0)
      inference_count = (size_t)sprintf(bytes,
                                        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                                        "Inference-Header-Content-Length: %zu\r\nContent-Length: %zu\r\n\r\n%s",
                                        strlen(output), strlen(output) + TENSOR_BYTES, output);
    memcpy(bytes + inference_count, peer->buffer + head_count + body_count - TENSOR_BYTES, TENSOR_BYTES);
    size_t count = inference_count + TENSOR_BYTES;
    return send(peer->fd, bytes, count, MSG_NOSIGNAL) == (ssize_t)count;
  }
  char text[1024];
  bool is_ready = strncmp(peer->buffer, "GET /v2/health/", 15) == 0;
  bool is_known = is_ready || strncmp(peer->buffer, "GET /v2/models/identity ", 24) == 0;
  const char *body = is_ready ? "" : is_known ? metadata : "{\"error\":\"this server only echoes\"}";
  int count = sprintf(text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", is_known ? "200 OK" : "404 Not Found",
                      strlen(body), body);
  return send(peer->fd, text, (size_t)count, MSG_NOSIGNAL) == count;
}

// False when the peer has gone, or sent what this server doesn't understand.
static bool take(struct peer *peer) {
  ssize_t count = recv(peer->fd, peer->buffer + peer->received, REQUEST_ROOM - peer->received, 0);
  if (count <= 0) return false;
  peer->received += (size_t)count;
  peer->buffer[peer->received] = '\0';
  char *end = strstr(peer->buffer, "\r\n\r\n");
  if (end == NULL) return peer->received < REQUEST_ROOM;
  char after = end[2];
  end[2] = '\0';  // so that the search ends with the head
  long length = header_number(peer->buffer, "\r\ncontent-length:");
  end[2] = after;
  size_t head_count = (size_t)(end + 4 - peer->buffer), body_count = length > 0 ? (size_t)length : 0;
  if (body_count > REQUEST_ROOM - head_count) return false;
  if (peer->received < head_count + body_count) return true;
  peer->received = 0;
  return answer(peer, head_count, body_count);
}

static int listen_unix(const char *path) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof name.sun_path) die("%s is too long for a socket", path);
  strcpy(name.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) != 0 || listen(fd, 256) != 0)
    die("%s: %s", path, strerror(errno));
  return fd;
}

static void watch(int epoll, int fd, struct peer *peer) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl: %s", strerror(errno));
}

int main(int count, char **arguments) {
  const char *path = NULL;
  int core = -1;
  static const struct option options[] = {{"socket", 1, 0, 's'}, {"core", 1, 0, 'p'}, {0, 0, 0, 0}};
  for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) switch (option) {
      case 's': path = optarg; break;
      case 'p': core = atoi(optarg); break;
      default: die(usage);
    }
  if (path == NULL) die(usage);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  pin_to_core(core);
  int listener = listen_unix(path), epoll = epoll_create1(EPOLL_CLOEXEC);
  watch(epoll, listener, NULL);
  puts("{}");  // it listens
  fflush(stdout);
  for (struct epoll_event events[64];;) {
    int ready = epoll_wait(epoll, events, 64, -1);
    for (int i = 0; i < ready; i++) {
      struct peer *peer = events[i].data.ptr;
      if (peer == NULL) {
        peer = take_memory(sizeof *peer);
        peer->fd = accept(listener, NULL, NULL);
        peer->received = 0;
        if (peer->fd < 0) die("accept: %s", strerror(errno));
        watch(epoll, peer->fd, peer);
      } else if (!take(peer)) {
        close(peer->fd);
        free(peer);
      }
    }
  }
}
