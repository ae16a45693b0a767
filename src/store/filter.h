/* SPDX-License-Identifier: MIT */
/*
 * filter: whether a frame can hold something, without unpacking it: a split
 * block Bloom filter, 32 bytes a block, eight bits a key, of which one in some
 * hundred that is not there is believed to be.
 *
 * Keys:    XXH3 of an atom's text; the word itself of what is no atom.
 * Memory:  the bytes are the caller's: a multiple of 32, or none: then
 *          everything may be there.
 * Threads: pure functions.
 */
#ifndef SCOPE_STORE_FILTER_H
#define SCOPE_STORE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCOPE_FILTER_BYTES_MAX (256u << 10)

/* Bytes for n keys. */
size_t scope_filter_bytes(size_t n);
void scope_filter_add(uint8_t *filter, size_t bytes, uint64_t key);
bool scope_filter_has(const uint8_t *filter, size_t bytes, uint64_t key);

uint64_t scope_filter_key_of_word(uint64_t word);
uint64_t scope_filter_key_of_atom(const char *text, size_t len);

#endif
