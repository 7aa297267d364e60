// Numbers to text.
#include <dragonbox-1.1.3/dragonbox/dragonbox.h>

#include <cmath>
#include <type_traits>

#include "digits.h"
#include "numbers.h"

namespace {

// MARK: Integers

// Eight digits or fewer without a branch; returns the end.
inline char *print_small(char *out, uint32_t number) {
  uint64_t word = digits::split(number);
  int leading = __builtin_ctzll(word | (uint64_t)1 << 56) >> 3;  // the last digit stays, even if it is 0
  digits::store(out, (word | digits::zeros) >> (8 * leading));
  return out + 8 - leading;
}

inline char *print_eight(char *out, uint32_t number) {
  digits::store(out, digits::split(number) | digits::zeros);
  return out + 8;
}

inline char *print_magnitude(char *out, uint64_t number) {
  constexpr uint64_t unit = 100000000;
  if (number < unit) return print_small(out, (uint32_t)number);
  uint64_t upper = number / unit;
  if (upper < unit) {
    out = print_small(out, (uint32_t)upper);
  } else {
    out = print_small(out, (uint32_t)(upper / unit));
    out = print_eight(out, (uint32_t)(upper % unit));
  }
  return print_eight(out, (uint32_t)(number % unit));
}

template <typename T> inline std::enable_if_t<std::is_integral<T>::value, char *> print(char *out, T value) {
  bool is_negative = value < 0;
  *out = '-';
  uint64_t bits = (uint64_t)value;
  return print_magnitude(out + is_negative, is_negative ? 0 - bits : bits);
}

// MARK: Floating point

// The digits behind the first one: as many as the type's longest shortest form has.
template <typename T> struct Block;
template <> struct Block<float> {
  using Word = uint64_t;
  static constexpr int first = 8;  // power of ten of the first digit when all are there
  static Word split(uint64_t rest) { return digits::split((uint32_t)rest); }
  static Word characters() { return digits::zeros; }
  static int trailing_zeros(Word block) { return __builtin_clzll(block) >> 3; }
};
template <> struct Block<double> {
  using Word = unsigned __int128;
  static constexpr int first = 16;
  static Word split(uint64_t rest) {
    uint64_t upper = rest / 100000000;
    return (Word)digits::split((uint32_t)(rest - upper * 100000000)) << 64 | digits::split((uint32_t)upper);
  }
  static Word characters() { return (Word)digits::zeros << 64 | digits::zeros; }
  static int trailing_zeros(Word block) {
    uint64_t upper = (uint64_t)(block >> 64);
    return (upper != 0 ? __builtin_clzll(upper) : 64 + __builtin_clzll((uint64_t)block)) >> 3;
  }
};

__attribute__((noinline)) char *print_word(char *out, const char *word) {
  size_t length = strlen(word);
  memcpy(out, word, length);
  return out + length;
}

__attribute__((noinline)) char *print_exponent(char *out, int exponent) {
  *out++ = 'e';
  return print(out, exponent);
}

struct Decimal {
  uint64_t digits;
  int exponent;
};

// Dragonbox (Debian's libdragonbox-dev) finds a double's digits.
inline Decimal shortest(double value) {
  namespace policy = jkj::dragonbox::policy;
  auto decimal = jkj::dragonbox::to_decimal(value, policy::sign::ignore, policy::trailing_zero::ignore);
  return {decimal.significand, decimal.exponent};
}

// The upper 32 bits of g * c / 2^64 whose last bit also says whether anything is behind them.
inline uint32_t round_to_odd(uint64_t g, uint32_t c) {
  unsigned __int128 product = (unsigned __int128)g * c;
  return (uint32_t)(product >> 64) | ((uint32_t)(product >> 32) > 1);
}

// Raffaello Giulietti's Schubfach ("The Schubfach way to render doubles") for floats, with Dragonbox's powers of ten.
// Dragonbox's own float code is as exact but branches on the digits, which nothing predicts; this has no branch.
// Uniform floats, the whole number: std::to_chars 23 ns, Dragonbox 18 ns, this 15 ns (Benchmarks/numbers.cpp).
inline Decimal shortest(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t fraction = bits & 0x7FFFFF, biased = bits >> 23 & 0xFF;
  bool is_normal = biased != 0;
  uint32_t c = fraction | (uint32_t)is_normal << 23;
  int q = (int)biased + !is_normal - 150;
  // A power of two has its lower neighbour at half the distance.
  bool is_power = fraction == 0 && biased > 1;
  int k = (q * 1262611 - (is_power ? 524031 : 0)) >> 22;  // floor(log10(2^q)), of 3/4 * 2^q for a power
  int h = q + ((-k * 1741647) >> 19) + 1;                 // 1...4: 1741647 / 2^19 is log2(10)
  uint64_t g = jkj::dragonbox::detail::cache_holder<jkj::dragonbox::ieee754_binary32>::cache
      [-k - jkj::dragonbox::detail::cache_holder<jkj::dragonbox::ieee754_binary32>::min_k];
  uint32_t odd = c & 1;  // an odd number's limits round away from it
  uint32_t lower = round_to_odd(g, (4 * c - 2 + is_power) << h) + odd;
  uint32_t middle = round_to_odd(g, 4 * c << h);
  uint32_t upper = round_to_odd(g, (4 * c + 2) << h) - odd;

  uint32_t s = middle / 4, tenth = s / 10;
  bool below_fits = lower <= 40 * tenth, above_fits = 40 * tenth + 40 <= upper;
  bool is_shorter = below_fits != above_fits;
  bool floor_fits = lower <= 4 * s, ceiling_fits = 4 * s + 4 <= upper;
  bool rounds_up = middle + (s & 1) > 4 * s + 2;  // half to even
  uint32_t full = s + (floor_fits != ceiling_fits ? ceiling_fits : rounds_up);
  return {digits::select(is_shorter, 10 * (tenth + above_fits), full), k};
}

template <typename T> inline std::enable_if_t<std::is_floating_point<T>::value, char *> print(char *out, T value) {
  using Words = Block<T>;
  if (__builtin_expect(!std::isfinite(value), 0)) {
    return print_word(out, std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
  }
  bool is_negative = std::signbit(value);
  // Counts, classes and pixels are whole numbers. -0 has a sign that an integer can't keep.
  int32_t whole = (int32_t)(std::fabs(value) < (T)16777216 ? value : (T)0.5);
  if ((T)whole == value && !(is_negative && whole == 0)) return print(out, whole);
  if (value == 0) return print_word(out, "-0.0");

  Decimal decimal = shortest(value);
  int length = digits::count(decimal.digits);
  uint64_t significand = decimal.digits * digits::powers[Words::first + 1 - length];
  int exponent = decimal.exponent + length - 1;  // of the first digit
  char first = (char)('0' + significand / digits::powers[Words::first]);
  auto block = Words::split(significand % digits::powers[Words::first]);
  int rest = block == 0 ? 0 : Words::first - Words::trailing_zeros(block);  // digits behind the first
  block |= Words::characters();

  *out = '-';
  out += is_negative;
  if (exponent >= -4 && exponent <= 0) {
    // 0.000d…, 0.d… and d.… in one: whether a number is below 1 is a coin toss that no branch predictor wins.
    bool has_integer = exponent == 0;
    digits::store(out, 0x3030303030302E30);  // "0.000000"
    int place = has_integer ? 0 : 1 - exponent;
    int behind = place + 1 + has_integer;
    out[place] = first;
    memcpy(out + behind, &block, sizeof block);
    return out + (rest == 0 ? place + 1 : behind + rest);
  }
  *out++ = first;
  if (exponent > 0 && exponent < 16) {
    digits::store(out, digits::zeros);
    digits::store(out + 8, digits::zeros);
    memcpy(out, &block, sizeof block);
    if (exponent >= rest) return out + exponent;
    out[exponent] = '.';
    block >>= 8 * exponent;
    memcpy(out + exponent + 1, &block, sizeof block);
    return out + rest + 1;
  }
  *out = '.';
  memcpy(out + 1, &block, sizeof block);
  return print_exponent(rest == 0 ? out : out + 1 + rest, exponent);
}

// MARK: The list

template <typename T> size_t print_list(const void *values, size_t count, char *out) {
  const char *source = (const char *)values;
  char *at = out;
  for (size_t index = 0; index < count; index++) {
    T value;
    memcpy(&value, source + index * sizeof value, sizeof value);
    at = print(at, value);
    *at++ = ',';
  }
  return count == 0 ? 0 : (size_t)(at - out) - 1;
}

}  // namespace

#define PRINT(NAME, TYPE)                                                                                              \
  extern "C" size_t numbers_print_##NAME(const void *values, size_t count, char *out) {                                \
    return print_list<TYPE>(values, count, out);                                                                       \
  }
PRINT(f32, float)
PRINT(f64, double)
PRINT(i8, int8_t)
PRINT(i16, int16_t)
PRINT(i32, int32_t)
PRINT(i64, int64_t)
PRINT(u8, uint8_t)
PRINT(u16, uint16_t)
PRINT(u32, uint32_t)
PRINT(u64, uint64_t)

extern "C" size_t numbers_print_bool(const void *values, size_t count, char *out) {
  const unsigned char *source = (const unsigned char *)values;
  char *at = out;
  for (size_t index = 0; index < count; index++) {
    bool is_true = source[index] != 0;
    memcpy(at, is_true ? "true,   " : "false,  ", 8);
    at += is_true ? 5 : 6;
  }
  return count == 0 ? 0 : (size_t)(at - out) - 1;
}
