// The floor of what a runner's process adds: a client, a bare host that answers it over a socket, and a child of the
// host's that copies the tensor in shared memory; in turns with the same host copying by itself. With --core all three
// share that core, as in the benchmark of the real ones. Prints one JSON object.
#include <getopt.h>

#include "relay.h"
#include "samples.h"

enum { ROUNDS = 6 };

static const char usage[] = "usage: relay [--bytes 64] [--seconds 1] [--core N]\n";

// What host and child share, mapped before the fork: the words, the tensor that came, and the one that goes.
struct room {
  struct shared *words;
  char *input, *output;
  size_t byte_count;
};

static struct room make_room(size_t byte_count) {
  size_t step = (byte_count + 8191) / 4096 * 4096;
  char *memory = share_memory(4096 + 2 * step);
  memset(memory, 0, 4096 + 2 * step);
  return (struct room){(struct shared *)memory, memory + 4096, memory + 4096 + step, byte_count};
}

static void copy_for_ever(struct room room) {
  for (uint32_t turn = 0;; turn++) {
    await_change(&room.words->there, turn);
    memcpy(room.output, room.input, room.byte_count);
    announce(&room.words->back, turn + 1);
  }
}

static void serve(int fd, struct room room, bool has_child) {
  if (has_child && fork_bound() == 0) copy_for_ever(room);
  for (uint32_t turn = 0; transfer(fd, room.input, room.byte_count, true); turn++) {
    if (has_child) {
      announce(&room.words->there, turn + 1);
      await_change(&room.words->back, turn);
    } else {
      memcpy(room.output, room.input, room.byte_count);
    }
    if (!transfer(fd, room.output, room.byte_count, false)) break;
  }
  exit(0);
}

static void measure(struct samples *samples, size_t byte_count, double seconds, bool has_child) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) die("socketpair: %s", strerror(errno));
  struct room room = make_room(byte_count);
  if (fork_bound() == 0) {
    close(ends[0]);
    serve(ends[1], room, has_child);
  }
  close(ends[1]);
  char *request = take_memory(byte_count), *answer = take_memory(byte_count);
  memset(request, 1, byte_count);
  uint64_t begin = now_ns(), end = begin + (uint64_t)(seconds * 1.2 * 1e9);
  for (uint64_t now = begin; now < end;) {
    uint64_t started = now_ns();
    if (!transfer(ends[0], request, byte_count, false) || !transfer(ends[0], answer, byte_count, true))
      die("the bare host has ended");
    now = now_ns();
    if (now - begin > (uint64_t)(seconds * 0.2 * 1e9)) add_sample(samples, now - started);  // a sixth: warm-up
  }
  if (memcmp(request, answer, byte_count) != 0) die("the answer differs from the request");
  close(ends[0]);
  free(request);
  free(answer);
}

int main(int count, char **arguments) {
  double seconds = 1;
  int core = -1;
  long byte_count = 64;
  static const struct option options[] = {
      {"bytes", 1, 0, 'b'}, {"seconds", 1, 0, 't'}, {"core", 1, 0, 'p'}, {0, 0, 0, 0}};
  for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) switch (option) {
      case 'b': byte_count = atol(optarg); break;
      case 't': seconds = atof(optarg); break;
      case 'p': core = atoi(optarg); break;
      default: die(usage);
    }
  if (byte_count < 1 || byte_count > 1 << 26) die(usage);
  signal(SIGCHLD, SIG_IGN);
  pin_to_core(core);
  struct samples by_itself = make_samples(), by_child = make_samples();
  for (int round = 0; round < ROUNDS; round++) {
    bool has_child = round % 2 != 0;
    measure(has_child ? &by_child : &by_itself, (size_t)byte_count, seconds / ROUNDS, has_child);
  }
  printf("{\"self\": {");
  print_samples(&by_itself);
  printf("}, \"child\": {");
  print_samples(&by_child);
  printf("}}\n");
  return 0;
}
