/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_vm.h"

static struct fake f;

static void each_release_has_a_table(void **state)
{
	const unsigned *r = scope_layout_releases();
	unsigned last = 0;

	(void)state;
	for (; *r; r++) {
		const struct scope_layout *l = scope_layout_of(*r);

		assert_non_null(l);
		assert_int_equal(l->otp, *r);
		assert_true(*r > last);
		last = *r;
		/* what is read as words must lie on words */
		assert_int_equal(l->fe_start % 8, 0);
		assert_int_equal(l->fe_bytes % 8, 0);
		assert_true(l->fe_module >= l->fe_start);
		assert_true(l->fe_module + 8 <= l->fe_start + l->fe_bytes);
		assert_true(l->fe_old_index + 4 <= l->fe_start + l->fe_bytes);
		assert_true(l->fe_old_uniq + 4 <= l->fe_start + l->fe_bytes);
		assert_true(l->fe_index >= l->fe_start);
		assert_int_equal(l->export_mfa % 8, 0);
		assert_true(l->p_run_queue < l->p_size);
	}
	assert_int_equal(last, 29);
	assert_null(scope_layout_of(24));
	assert_null(scope_layout_of(0));
}

static void atoms_are_read_once(void **state)
{
	(void)state;
	for (const unsigned *r = scope_layout_releases(); *r; r++) {
		uint64_t atom, empty;
		const char *s, *again;
		unsigned reads;
		size_t len;

		assert_int_equal(fake_init(&f, *r), 0);
		atom = fake_atom(&f, "h\xc3\xa9llo");
		empty = fake_atom(&f, "");
		s = scope_vm_atom(&f.vm, atom, &len);
		assert_non_null(s);
		assert_int_equal(len, 6);
		assert_memory_equal(s, "h\xc3\xa9llo", 6);
		assert_non_null(scope_vm_atom(&f.vm, empty, &len));
		assert_int_equal(len, 0);
		reads = f.reads;
		again = scope_vm_atom(&f.vm, atom, &len);
		assert_ptr_equal(again, s);
		assert_int_equal(len, 6);
		assert_int_equal(f.reads, reads);
		assert_int_equal(scope_vm_find_atom(&f.vm, "true", 10),
				 1 << 6 | 0x0b);
		assert_int_equal(scope_vm_find_atom(&f.vm, "true", 1), 0);
		assert_int_equal(scope_vm_find_atom(&f.vm, "none", 4), 0);
		scope_vm_done(&f.vm);
	}
}

/* What was followed is known when the target is gone. */
static void atoms_are_followed(void **state)
{
	uint64_t first, second;
	size_t len;

	(void)state;
	assert_int_equal(fake_init(&f, 25), 0);
	first = fake_atom(&f, "first");
	while (scope_vm_follow_atoms(&f.vm, 3))
		;
	second = fake_atom(&f, "second");
	assert_int_equal(scope_vm_follow_atoms(&f.vm, 100), 1);
	assert_int_equal(scope_vm_follow_atoms(&f.vm, 100), 0);
	f.vm.atom_table = 8; /* nothing is there */
	assert_non_null(scope_vm_atom(&f.vm, first, &len));
	assert_non_null(scope_vm_atom(&f.vm, second, &len));
	assert_int_equal(len, 6);
	assert_int_equal(scope_vm_follow_atoms(&f.vm, 100), 0);
	scope_vm_done(&f.vm);
}

/* Serves all but what is at fail_at. */
static unsigned batches;
static bool is_gone;

static int fake_batch(void *arg, struct scope_piece *pieces, size_t n)
{
	batches++;
	for (size_t i = 0; i < n; i++)
		pieces[i].is_read = pieces[i].addr &&
				    fake_read(arg, pieces[i].addr,
					      pieces[i].buf,
					      pieces[i].len) == 0;
	return is_gone ? -ESRCH : 0;
}

static void make_atoms(unsigned otp, unsigned n)
{
	char text[160];

	assert_int_equal(fake_init(&f, otp), 0);
	f.vm.batch = fake_batch;
	batches = 0;
	is_gone = false;
	for (unsigned i = 0; i < n; i++) {
		/* Some are longer than what is read together. */
		(void)snprintf(text, sizeof(text), "atom %*u",
			       i % 50 ? 1 : 150, i);
		(void)fake_atom(&f, text);
	}
}

/* A few round trips, and each text is what it is when read alone. */
static void atoms_are_followed_together(void **state)
{
	(void)state;
	for (const unsigned *r = scope_layout_releases(); *r; r++) {
		char text[160];
		uint32_t first;
		size_t len;

		make_atoms(*r, 0);
		first = f.atoms;
		scope_vm_done(&f.vm);
		make_atoms(*r, 300);
		assert_int_equal(scope_vm_follow_atoms(&f.vm, 10), 10);
		assert_int_equal(scope_vm_follow_atoms(&f.vm, 1000),
				 f.atoms - 10);
		assert_in_range(batches, 1, 3 * 3);
		f.vm.atom_table = 8; /* nothing is there */
		for (unsigned i = 0; i < 300; i++) {
			const char *s = scope_vm_atom(
				&f.vm, (uint64_t)(first + i) << 6 | 0x0b, &len);

			(void)snprintf(text, sizeof(text), "atom %*u",
				       i % 50 ? 1 : 150, i);
			assert_non_null(s);
			assert_int_equal(len, strlen(text));
			assert_memory_equal(s, text, len);
		}
		scope_vm_done(&f.vm);
	}
}

/* One that can't be read is asked for again, and does not stop the others. */
static void unreadable_atoms_are_followed_again(void **state)
{
	uint64_t first, slot;
	size_t len, n = 0;

	(void)state;
	make_atoms(25, 100);
	slot = FAKE_SEG + f.atoms - 50;
	f.fail_at = fake_at(slot);
	first = (uint64_t)(f.atoms - 50) << 6 | 0x0b;
	n = scope_vm_follow_atoms(&f.vm, 1000);
	assert_int_equal(n, f.atoms - 50);
	f.fail_at = 0;
	assert_int_equal(scope_vm_follow_atoms(&f.vm, 1000), 50);
	f.vm.atom_table = 8;
	assert_non_null(scope_vm_atom(&f.vm, first, &len));
	scope_vm_done(&f.vm);

	/* For good: given up after some tries, until it is asked for. */
	make_atoms(25, 100);
	f.fail_at = fake_at(slot);
	n = 0;
	for (unsigned i = 0; i < 5; i++)
		n += scope_vm_follow_atoms(&f.vm, 1000);
	assert_int_equal(n, f.atoms);
	assert_null(scope_vm_atom(&f.vm, first, &len));
	f.fail_at = 0;
	assert_non_null(scope_vm_atom(&f.vm, first, &len));
	scope_vm_done(&f.vm);

	/* The target is gone: nothing is said of its atoms. */
	make_atoms(25, 100);
	is_gone = true;
	assert_int_equal(scope_vm_follow_atoms(&f.vm, 1000), 0);
	is_gone = false;
	assert_int_equal(scope_vm_follow_atoms(&f.vm, 1000), f.atoms);
	scope_vm_done(&f.vm);
}

/* Whichever word on the way can't be read: a later try may do better. */
static void unreadable_atoms_are_not_kept(void **state)
{
	(void)state;
	for (const unsigned *r = scope_layout_releases(); *r; r++) {
		unsigned failed = 0;

		for (size_t i = FAKE_TABLE; i < FAKE_SEG + 1024 + 40; i++) {
			uint64_t atom;
			size_t len;

			if (i > FAKE_SEG + 3 && i < FAKE_SEG + 1024)
				continue; /* free slots of the segment */
			assert_int_equal(fake_init(&f, *r), 0);
			atom = fake_atom(&f, "ok");
			f.fail_at = fake_at(i);
			failed += !scope_vm_atom(&f.vm, atom, &len);
			f.fail_at = 0;
			assert_non_null(scope_vm_atom(&f.vm, atom, &len));
			assert_int_equal(len, 2);
			scope_vm_done(&f.vm);
		}
		/* count, segments, slot, atom, text at least */
		assert_true(failed >= 5);
	}
}

static void what_is_no_atom_is_refused(void **state)
{
	uint64_t bad, far;
	uint16_t len16 = 2000;
	size_t len;

	(void)state;
	for (const unsigned *r = scope_layout_releases(); *r; r++) {
		assert_int_equal(fake_init(&f, *r), 0);
		assert_null(scope_vm_atom(&f.vm, fake_int(1), &len));
		assert_null(scope_vm_atom(&f.vm, FAKE_NIL, &len));
		assert_null(scope_vm_atom(&f.vm, 0, &len));
		far = (uint64_t)f.atoms << 6 | 0x0b;
		assert_null(scope_vm_atom(&f.vm, far, &len));
		assert_null(scope_vm_atom(&f.vm, ~0ull << 6 | 0x0b, &len));
		bad = fake_atom(&f, "\xff\xfe");
		assert_null(scope_vm_atom(&f.vm, bad, &len));
		bad = fake_atom(&f, "long");
		fake_put(&f, f.mem[FAKE_SEG + f.atoms - 1] + f.l->atom_len,
			 &len16, 2);
		assert_null(scope_vm_atom(&f.vm, bad, &len));
		scope_vm_done(&f.vm);
	}
}

/* More text than one chunk takes. */
static void many_atoms_are_kept(void **state)
{
	char text[256];
	uint64_t atoms[300];
	size_t len;

	(void)state;
	assert_int_equal(fake_init(&f, 25), 0);
	memset(text, 'x', sizeof(text));
	for (unsigned i = 0; i < 300; i++) {
		text[0] = (char)('a' + i % 26);
		text[1] = (char)('a' + i / 26);
		atoms[i] = fake_atom_n(&f, text, 255);
	}
	for (int twice = 0; twice < 2; twice++)
		for (unsigned i = 0; i < 300; i++) {
			const char *s = scope_vm_atom(&f.vm, atoms[i], &len);

			assert_non_null(s);
			assert_int_equal(len, 255);
			assert_int_equal(s[0], 'a' + i % 26);
			assert_int_equal(s[1], 'a' + i / 26);
			assert_int_equal(s[254], 'x');
		}
	scope_vm_done(&f.vm);
}

static const char *pid_text(uint64_t pid)
{
	static char s[64];
	struct scope_buf b = scope_buf_of(s, sizeof(s));

	scope_vm_put_pid(&f.vm, pid, &b);
	return scope_buf_str(&b);
}

static void pids_print_as_on_the_node(void **state)
{
	char s[64];
	struct scope_buf b = scope_buf_of(s, sizeof(s));

	(void)state;
	assert_int_equal(fake_init(&f, 25), 0);
	assert_string_equal(pid_text(0x5400000513), "<0.81.0>");
	assert_string_equal(pid_text(0x80003ull << 4 | 3), "<0.3.16>");
	scope_vm_put_port(&f.vm, 0x37, &b);
	assert_string_equal(scope_buf_str(&b), "#Port<0.3>");
	scope_vm_done(&f.vm);

	assert_int_equal(fake_init(&f, 27), 0);
	/* <0.82.0> is slot 82 & 15 << 16 | 82 >> 4 */
	assert_string_equal(pid_text((2ull << 16 | 5) << 4 | 3), "<0.82.0>");
	scope_vm_done(&f.vm);
}

static void pids_read_back(void **state)
{
	static const char *const good[] = {
		"<0.0.0>", "<0.1.0>", "0.82.0", "<0.32767.8191>", "0.500.3",
	};
	static const char *const bad[] = {
		"", "<", "0", "0.", "0.1", "0.1.", "<0.1.0", "0.1.0>", "1.1.0",
		"<0.1.0>x", "0.-1.0", "0.1.a", " 0.1.0", "0.99999999999.0",
		"0.1.99999999999", "<9.1.0>", "#PID<0.1.0>",
	};

	(void)state;
	for (const unsigned *r = scope_layout_releases(); *r; r++) {
		assert_int_equal(fake_init(&f, *r), 0);
		for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
			uint64_t pid = scope_vm_parse_pid(&f.vm, good[i]);
			const char *text = pid_text(pid);

			assert_true(scope_is_pid(pid));
			if (good[i][0] == '<')
				assert_string_equal(text, good[i]);
			else
				assert_memory_equal(text + 1, good[i],
						    strlen(good[i]));
		}
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			assert_int_equal(scope_vm_parse_pid(&f.vm, bad[i]), 0);
		/* property: whatever number and serial */
		for (uint64_t n = 0; n < 20000; n += 7) {
			char s[64];

			(void)snprintf(s, sizeof(s), "<0.%u.%u>", (unsigned)n,
				       (unsigned)(n * 31 % 8191));
			assert_string_equal(
				pid_text(scope_vm_parse_pid(&f.vm, s)), s);
		}
		scope_vm_done(&f.vm);
	}
}

/* Constants as a torn read might leave them. */
static void senseless_constants_do_no_harm(void **state)
{
	(void)state;
	assert_int_equal(fake_init(&f, 27), 0);
	f.vm.procs = (struct scope_pixdata){ ~0ull, ~0ull, ~0ull, ~0u, ~0u };
	(void)pid_text(~0ull);
	(void)scope_vm_parse_pid(&f.vm, "<0.1.2>");
	scope_vm_done(&f.vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_release_has_a_table),
		cmocka_unit_test(atoms_are_read_once),
		cmocka_unit_test(atoms_are_followed),
		cmocka_unit_test(atoms_are_followed_together),
		cmocka_unit_test(unreadable_atoms_are_followed_again),
		cmocka_unit_test(unreadable_atoms_are_not_kept),
		cmocka_unit_test(what_is_no_atom_is_refused),
		cmocka_unit_test(many_atoms_are_kept),
		cmocka_unit_test(pids_print_as_on_the_node),
		cmocka_unit_test(pids_read_back),
		cmocka_unit_test(senseless_constants_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
