// Latency samples, all kept, so that percentiles are exact.
#ifndef STADION_BENCH_SAMPLES_H
#define STADION_BENCH_SAMPLES_H

#include "bench.h"

enum { MAX_SAMPLES = 16 * 1024 * 1024 };  // 64 MiB; later ones are counted by the caller but not kept

// Nanoseconds in 32 bits: longer than 4.29 s is stored as 4.29 s.
struct samples {
  uint32_t *ns;
  size_t count;
  double sum_ns;
};

static inline struct samples make_samples(void) {
  struct samples samples = {take_memory(MAX_SAMPLES * sizeof(uint32_t)), 0, 0};
  return samples;
}

static inline void add_sample(struct samples *samples, uint64_t ns) {
  if (samples->count == MAX_SAMPLES) return;
  samples->ns[samples->count++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
  samples->sum_ns += (double)ns;
}

static inline int compare_ns(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static inline int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static inline void sort_samples(struct samples *samples) {
  qsort(samples->ns, samples->count, sizeof(uint32_t), compare_ns);
}

// Microseconds below which `share` (0...1) of the samples are; the samples are sorted.
static inline double percentile_us(const struct samples *samples, double share) {
  if (samples->count == 0) return 0;
  size_t index = (size_t)(share * (double)samples->count);
  if (index >= samples->count) index = samples->count - 1;
  return samples->ns[index] / 1e3;
}

// Prints the members of a JSON object without its braces. Sorts the samples.
static inline void print_samples(struct samples *samples) {
  sort_samples(samples);
  printf("\"samples\": %zu, \"p50_us\": %.3f, \"p90_us\": %.3f, \"p99_us\": %.3f, \"p999_us\": %.3f, \"mean_us\": %.3f",
         samples->count, percentile_us(samples, 0.5), percentile_us(samples, 0.9), percentile_us(samples, 0.99),
         percentile_us(samples, 0.999), samples->count ? samples->sum_ns / 1e3 / (double)samples->count : 0.0);
}

#endif
