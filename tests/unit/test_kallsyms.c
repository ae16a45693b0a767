/* SPDX-License-Identifier: MIT */
/* Names of the kernel's functions. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/kallsyms.h"

static int file_of(const char *text)
{
	int fd = memfd_create("kallsyms", 0);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void kernel_functions_have_names(void **state)
{
	scope_auto(scope_kallsyms) k = NULL;
	scope_auto(scope_kallsyms) none = NULL;
	int fd = file_of("ffffffff81000010 T second\n"
			 "ffffffff81000000 t first\n"
			 "ffffffff81000018 D data\n"
			 "nonsense\n"
			 "ffffffffc0000000 t third\t[mod]\n");

	(void)state;
	assert_int_equal(scope_kallsyms_read(fd, &k), 0);
	assert_null(scope_kallsyms_find(k, 0xffffffff80ffffffu));
	assert_string_equal(scope_kallsyms_find(k, 0xffffffff81000000u),
			    "first");
	assert_string_equal(scope_kallsyms_find(k, 0xffffffff8100000fu),
			    "first");
	assert_string_equal(scope_kallsyms_find(k, 0xffffffff81000020u),
			    "second");
	assert_string_equal(scope_kallsyms_find(k, 0xffffffffc0000001u),
			    "third");
	(void)close(fd);
	fd = file_of("0000000000000000 T hidden\n");
	assert_int_equal(scope_kallsyms_read(fd, &none), -EPERM);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_functions_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
