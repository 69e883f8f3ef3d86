/** Ends the program with exit code 130, as a program that was interrupted does. */
export class RunInterruptedExit extends Error {}
