/* SPDX-License-Identifier: MIT */
#include "store/filter.h"

#include <string.h>

#include <xxhash.h>

#define BLOCK 32u
#define BITS_A_KEY 10u

size_t scope_filter_bytes(size_t n)
{
	size_t bytes = (n * BITS_A_KEY / 8 + BLOCK - 1) / BLOCK * BLOCK;

	return bytes < SCOPE_FILTER_BYTES_MAX ? bytes : SCOPE_FILTER_BYTES_MAX;
}

/* The block by the hash's upper half, a bit in each of its eight words by the
 * lower one. */
static uint32_t bit(uint64_t key, unsigned i)
{
	static const uint32_t salts[8] = { 0x47b6137b, 0x44974d91, 0x8824ad5b,
					   0xa2b7289d, 0x705495c7, 0x2df1424b,
					   0x9efc4947, 0x5c6bfb31 };

	return 1u << ((uint32_t)key * salts[i] >> 27);
}

static size_t block_of(size_t bytes, uint64_t key)
{
	return (size_t)(((key >> 32) * (bytes / BLOCK)) >> 32) * BLOCK;
}

void scope_filter_add(uint8_t *filter, size_t bytes, uint64_t key)
{
	uint32_t words[8];
	uint8_t *at;

	if (!bytes)
		return;
	at = filter + block_of(bytes, key);
	memcpy(words, at, BLOCK);
	for (unsigned i = 0; i < 8; i++)
		words[i] |= bit(key, i);
	memcpy(at, words, BLOCK);
}

bool scope_filter_has(const uint8_t *filter, size_t bytes, uint64_t key)
{
	uint32_t words[8];

	if (!bytes)
		return true;
	memcpy(words, filter + block_of(bytes, key), BLOCK);
	for (unsigned i = 0; i < 8; i++)
		if (!(words[i] & bit(key, i)))
			return false;
	return true;
}

uint64_t scope_filter_key_of_word(uint64_t word)
{
	return XXH3_64bits(&word, sizeof(word));
}

uint64_t scope_filter_key_of_atom(const char *text, size_t len)
{
	return XXH3_64bits_withSeed(text, len, 1);
}
