// Eight decimal digits at a time in one 64-bit word, the first digit in the lowest byte.
#ifndef STADION_DIGITS_H
#define STADION_DIGITS_H

#include <cstdint>
#include <cstring>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words of digits are written as little endian");

namespace digits {

constexpr uint64_t zeros = 0x3030303030303030;  // "00000000"

constexpr uint64_t powers[20] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
    10000000000000000000u,
};

// `condition ? yes : no` without a branch: compilers guess that conditions are predictable, and here they aren't.
template <typename T> inline T select(bool condition, T yes, T no) {
  T mask = (T)0 - (T)condition;
  __asm__("" : "+r"(mask));
  return (yes & mask) | (no & ~mask);
}

// How many digits the word starts with, 0...8.
// A byte that isn't a digit may carry into those above it, never into those below, and only the lowest one counts.
inline int leading(uint64_t word) {
  uint64_t values = word ^ zeros;
  uint64_t others = ((values + 0x7676767676767676) | values) & 0x8080808080808080;
  return (__builtin_ctzll(others | (uint64_t)1 << 63) >> 3) + (others == 0);  // compilers branch on "? 8 :"
}

// How far the first `character` is within 16 characters; something else, below 16, if there is none.
inline int distance(const char *text, char character) {
  constexpr uint64_t ones = 0x0101010101010101;
  uint64_t word, next;
  memcpy(&word, text, 8);
  memcpy(&next, text + 8, 8);
  word ^= ones * (unsigned char)character;
  next ^= ones * (unsigned char)character;
  uint64_t found = (word - ones) & ~word & (ones << 7);  // as with digits, only the lowest match counts
  uint64_t later = (next - ones) & ~next & (ones << 7);
  uint64_t near = (uint64_t)__builtin_ctzll(found | (uint64_t)1 << 63) >> 3;
  uint64_t far = ((uint64_t)__builtin_ctzll(later | (uint64_t)1 << 63) >> 3) + 8;
  return (int)select(found != 0, near, far);
}

// The number that the first `count` digits of the word make, 0...8 of them.
inline uint64_t value(uint64_t word, int count) {
  int half = 32 - 4 * count;  // two shifts, since one by 64 is undefined
  uint64_t v = ((word ^ zeros) << half) << half;
  v = (v * 10 + (v >> 8)) & 0x00FF00FF00FF00FF;
  v = (v * 100 + (v >> 16)) & 0x0000FFFF0000FFFF;
  return (v * 10000 + (v >> 32)) & 0xFFFFFFFF;
}

// The eight digits of a number below 10^8 as values 0...9, with leading zeros; `| zeros` makes them characters.
inline uint64_t split(uint32_t number) {
  uint64_t high = number / 10000;
  uint64_t fours = high | (uint64_t)(number - (uint32_t)high * 10000) << 32;
  uint64_t hundreds = ((fours * 10486) >> 20) & 0x0000007F0000007F;
  uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
  uint64_t tens = ((twos * 103) >> 10) & 0x000F000F000F000F;
  return tens | (twos - tens * 10) << 8;
}

// How many digits a number has that is not 0.
inline int count(uint64_t number) {
  int guess = ((64 - __builtin_clzll(number)) * 1233) >> 12;
  return guess + (number >= powers[guess]);
}

inline void store(char *out, uint64_t word) { memcpy(out, &word, sizeof word); }

}  // namespace digits

#endif
