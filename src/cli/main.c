/* SPDX-License-Identifier: MIT */
#include "cli/cmd.h"

int main(int argc, char **argv)
{
	return scope_cli(argc, argv);
}
