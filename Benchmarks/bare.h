// The floor of a host that runs engines in a process of their own: a bare host in C that passes the bytes of tensors on
// between a socket and a child that has the engine. It reads no protocol, and knows nobody and nothing.
#ifndef STADION_BENCH_BARE_H
#define STADION_BENCH_BARE_H

#include "engine.h"
#include "relay.h"

enum { BARE_INPUT_BYTES = 1 << 20, BARE_OUTPUT_BYTES = 4 << 20 };

struct bare_room {
  struct shared words;
  size_t input_bytes, output_bytes;  // known once the child is ready
  _Alignas(4096) char input[BARE_INPUT_BYTES];
  char output[BARE_OUTPUT_BYTES];
};

// A client's end of it.
struct bare {
  int fd;
  struct bare_room *room;  // only its sizes are looked at
};

// In the child: `there` counts the requests, `back` the answers and one more, for being ready.
static inline void run_for_ever(struct bare_room *room, struct turns turns) {
  turns.input_memory = room->input;
  turns.input_room = BARE_INPUT_BYTES;
  struct engine engine = open_engine(turns);
  room->input_bytes = engine.input_bytes;
  for (uint32_t turn = 0;; turn++) {
    if (turn > 0) await_change(&room->words.there, turn - 1);
    engine.run(&engine);
    room->output_bytes = 0;
    for (size_t i = 0; i < engine.output_count; i++) {
      if (engine.output_bytes[i] > BARE_OUTPUT_BYTES - room->output_bytes) die("outputs are too large");
      memcpy(room->output + room->output_bytes, engine.outputs[i], engine.output_bytes[i]);
      room->output_bytes += engine.output_bytes[i];
    }
    announce(&room->words.back, turn + 1);
    engine.finish(&engine);
  }
}

static inline void serve_bare(int fd, struct bare_room *room, struct turns turns) {
  if (fork_bound() == 0) run_for_ever(room, turns);
  await_change(&room->words.back, 0);
  char ready = 1;
  if (!transfer(fd, &ready, 1, false)) exit(0);
  for (uint32_t turn = 1; transfer(fd, room->input, room->input_bytes, true); turn++) {
    announce(&room->words.there, turn);
    await_change(&room->words.back, turn);
    if (!transfer(fd, room->output, room->output_bytes, false)) break;
  }
  exit(0);
}

// Starts both processes; call it before this one opens the engine, whose threads no child would have.
static inline struct bare start_bare(struct turns turns) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) die("socketpair: %s", strerror(errno));
  struct bare bare = {ends[0], share_memory(sizeof(struct bare_room))};
  if (fork_bound() == 0) {
    close(ends[0]);
    serve_bare(ends[1], bare.room, turns);
  }
  close(ends[1]);
  return bare;
}

static inline void await_bare(struct bare bare) {
  char ready;
  if (!transfer(bare.fd, &ready, 1, true)) die("the bare host has ended");
}

// Nanoseconds from the first byte sent to the last one received.
static inline uint64_t ask_bare(struct bare bare, char *input, char *answer) {
  uint64_t started = now_ns();
  if (!transfer(bare.fd, input, bare.room->input_bytes, false) ||
      !transfer(bare.fd, answer, bare.room->output_bytes, true))
    die("the bare host has ended");
  return now_ns() - started;
}

#endif
