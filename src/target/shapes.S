/* SPDX-License-Identifier: MIT */
/* The tables of src/target/shapes/, as text. SHAPES: their file, from the
 * build. */
	.section .rodata
	.global scope_shapes_text, scope_shapes_text_end
scope_shapes_text:
	.incbin SHAPES
scope_shapes_text_end:
	.byte 0
#if defined(__linux__) && defined(__ELF__)
	.section .note.GNU-stack, "", %progbits
#endif
