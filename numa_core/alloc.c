/* SPDX-License-Identifier: BSD-3-Clause
 *
 * alloc.c - the only part that allocates: at create, mmap, fork and feed, never while accessing
 */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE
#endif
#include "internal.h"

#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

/* Blocks from here on are page tables: mapped lazily, in huge pages where the host has them, since
 * random look-ups in them otherwise wait for the host's own TLB. */
#define LARGE_BYTES ((size_t)2 << 20)

#if defined(__linux__)
static void *map_large(size_t bytes)
{
	size_t span = bytes + LARGE_BYTES, head;
	char *p = (char *)mmap(NULL, span, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == (char *)MAP_FAILED)
		return NULL;
	head = (LARGE_BYTES - (uintptr_t)p % LARGE_BYTES) % LARGE_BYTES;
	if (head)
		munmap(p, head);
	munmap(p + head + bytes, span - head - bytes);
	madvise(p + head, bytes, MADV_HUGEPAGE);
	return p + head;
}

static size_t round_large(size_t bytes)
{
	return (bytes + LARGE_BYTES - 1) & ~(LARGE_BYTES - 1);
}
#endif

void *default_alloc(void *ud, void *ptr, size_t old_bytes, size_t new_bytes, int zeroed)
{
	(void)ud;
	if (new_bytes > SIZE_MAX / 2)
		return NULL;
#if defined(__linux__)
	if (new_bytes >= LARGE_BYTES)
		return map_large(round_large(new_bytes));
	if (old_bytes >= LARGE_BYTES) {
		munmap(ptr, round_large(old_bytes));
		return NULL;
	}
#else
	(void)old_bytes;
#endif
	if (new_bytes == 0) {
		free(ptr);
		return NULL;
	}
	return zeroed ? calloc(1, new_bytes) : malloc(new_bytes);
}

void *mem_alloc(struct numab_machine *m, size_t bytes)
{
	return m->alloc(m->alloc_ud, NULL, 0, bytes ? bytes : 1, 0);
}

void *mem_zalloc(struct numab_machine *m, size_t bytes)
{
	return m->alloc(m->alloc_ud, NULL, 0, bytes ? bytes : 1, 1);
}

void mem_free(struct numab_machine *m, void *p, size_t bytes)
{
	if (p)
		m->alloc(m->alloc_ud, p, bytes ? bytes : 1, 0, 0);
}

/* Grow an array; on failure it stays as it was.  New elements are zero. */
int mem_grow(struct numab_machine *m, void **p, size_t elem, size_t old_cap, size_t new_cap)
{
	void *n;

	if (new_cap > SIZE_MAX / 2 / elem)
		return NUMAB_ENOMEM;
	n = mem_zalloc(m, elem * new_cap);
	if (!n)
		return NUMAB_ENOMEM;
	if (*p)
		memcpy(n, *p, elem * old_cap);
	mem_free(m, *p, elem * old_cap);
	*p = n;
	return 0;
}
