/* SPDX-License-Identifier: MIT */
/* The tables of src/target/builds/, as text. BUILDS: their file, from the
 * build. */
	.section .rodata
	.global scope_builds_text, scope_builds_text_end
scope_builds_text:
	.incbin BUILDS
scope_builds_text_end:
	.byte 0
#if defined(__linux__) && defined(__ELF__)
	.section .note.GNU-stack, "", %progbits
#endif
