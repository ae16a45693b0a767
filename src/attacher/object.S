/* SPDX-License-Identifier: MIT */
/* The BPF objects, as bytes in the program. OBJECT, COUNT, THREAD, PROFILE: their
 * paths, from the build. */
	.section .rodata
	.global scope_bpf_object, scope_bpf_object_end
	.balign 16
scope_bpf_object:
	.incbin OBJECT
scope_bpf_object_end:
	.byte 0
	.global scope_bpf_count, scope_bpf_count_end
	.balign 16
scope_bpf_count:
	.incbin COUNT
scope_bpf_count_end:
	.byte 0
	.global scope_bpf_thread, scope_bpf_thread_end
	.balign 16
scope_bpf_thread:
	.incbin THREAD
scope_bpf_thread_end:
	.byte 0
	.global scope_bpf_profile, scope_bpf_profile_end
	.balign 16
scope_bpf_profile:
	.incbin PROFILE
scope_bpf_profile_end:
	.byte 0
#if defined(__linux__) && defined(__ELF__)
	.section .note.GNU-stack, "", %progbits
#endif
