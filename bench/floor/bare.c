/* The floor of a command's start: a C program that prints one line. */
#include <stdio.h>

int main(void)
{
	puts("bare");
	return 0;
}
