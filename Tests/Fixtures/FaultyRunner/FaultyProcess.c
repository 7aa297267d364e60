// What only a process of its own survives: each word of `fault` ends or spoils the process that runs it.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "Faulty.h"

// The memory that is shared with the host; its size, or 0.
static size_t find_arena(uint32_t **out) {
  FILE *maps = fopen("/proc/self/maps", "re");
  char line[512];
  unsigned long start = 0, end = 0;
  while (maps && fgets(line, sizeof line, maps))
    if (strstr(line, "stadion-arena") && sscanf(line, "%lx-%lx", &start, &end) == 2) break;
  if (maps) fclose(maps);
  *out = (uint32_t *)start;
  return end - start;
}

// Writes words that look like states, counts and offsets all over the ring and the first runs, for ever.
static void *scribble(void *argument) {
  uint32_t *arena, seed = 1 + *(uint32_t *)argument;
  size_t words = find_arena(&arena) / 4;
  if (words > 1 << 18) words = 1 << 18;
  for (;;) {
    seed = seed * 1664525 + 1013904223;
    static const uint32_t odd[] = {0, 1, 2, 3, 4, 5, 0x7fffffff, 0x80000000, 0xffffffff, 64, 4096, 1 << 20};
    uint32_t value = seed & 0x100 ? odd[(seed >> 12) % 12] : seed;
    arena[(seed >> 5) % words] = value;
    if (seed % 64 == 0) usleep(10);
  }
  return NULL;
}

// The descriptors that wake the host's event loops. What the process opens for itself lies behind them and may block.
enum { FIRST_BELL = 5, MOST_BELLS = 64 };

static int end_of_bells(void) {
  int end = FIRST_BELL;
  while (end < FIRST_BELL + MOST_BELLS && fcntl(end, F_GETFL) >= 0 && fcntl(end, F_GETFL) & O_NONBLOCK) end++;
  return end;
}

static void *ring(void *argument) {
  (void)argument;
  int end = end_of_bells();
  for (;;) {
    uint64_t one = 1;
    for (int bell = FIRST_BELL; bell < end; bell++) {
      ssize_t count = write(bell, &one, sizeof one);
      (void)count;
    }
  }
  return NULL;
}

// Nothing more fits, and whoever tries all the same waits.
static void fill_bells(void) {
  uint64_t most = UINT64_MAX - 1;
  for (int bell = FIRST_BELL, end = end_of_bells(); bell < end; bell++) {
    ssize_t count = write(bell, &most, sizeof most);
    (void)count;
    fcntl(bell, F_SETFL, 0);
  }
}

void faulty_process_load(stadion_model *model) {
  if (faulty_is(model, "load_segv")) *(volatile int *)8 = 1;
  if (faulty_is(model, "load_segv_gpu") && !strcmp(model->device->kind_name, "gpu")) *(volatile int *)8 = 1;
  if (faulty_is(model, "load_hangs"))
    for (;;) pause();
}

void faulty_process(stadion_model *model, const stadion_request *request) {
  if (faulty_is(model, "segv")) *(volatile int *)8 = 1;
  if (faulty_is(model, "abort")) abort();
  if (faulty_is(model, "exit")) exit(3);
  if (faulty_is(model, "stop")) raise(SIGSTOP);
  if (faulty_is(model, "closes_all"))
    for (int fd = 0; fd < 256; fd++) close(fd);
  if (faulty_is(model, "prints")) printf("printed by a runner\n"), fflush(stdout);
  if (faulty_is(model, "garbage_on_control")) {
    ssize_t count = write(3, "garbage!garbage!", 16);
    (void)count;
  }
  if (faulty_is(model, "closes_bells"))
    for (int bell = FIRST_BELL, end = end_of_bells(); bell < end; bell++) close(bell);
  static atomic_bool fills;
  if (faulty_is(model, "fills_bells") && !atomic_exchange(&fills, true)) fill_bells();
  static atomic_bool rings;
  if (faulty_is(model, "rings_for_ever") && !atomic_exchange(&rings, true)) {
    pthread_t thread;
    pthread_create(&thread, NULL, ring, NULL);
    pthread_detach(thread);
  }
  uint32_t *arena;
  size_t byte_count = find_arena(&arena);
  if (faulty_is(model, "ruins_ring") && byte_count) memset(arena, 0xff, 64 * 1024);
  if (faulty_is(model, "ruins_run") && byte_count)
    memset((char *)arena + ((char *)request->inputs[0]->data - (char *)arena) / 16384 * 16384, 0xff, 1024);
  static atomic_bool scribbles;
  if (faulty_is(model, "scribbles") && byte_count && !atomic_exchange(&scribbles, true)) {
    pthread_t thread;
    pthread_create(&thread, NULL, scribble, &model->slot);
    pthread_detach(thread);
  }
}
