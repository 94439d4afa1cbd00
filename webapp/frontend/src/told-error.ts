/** An error whose message is for people as it is: what is wrong, and what to do. Nothing needs to be put around it. */
export abstract class ToldError extends Error {}
