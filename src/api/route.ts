/**
 * One thing that can be asked of the daemon.
 */
import type { z } from 'zod';

export interface Route<Input extends z.ZodType, Answer> {
  readonly input: Input;
  /** Never called: carries the answer's type from the contract to server and client. */
  readonly answers: (answer: Answer) => void;
}

/** `route(z.strictObject({ … })).answers<SessionView[]>()` */
export function route<Input extends z.ZodType>(
  input: Input,
): { answers<Answer>(): Route<Input, Answer> } {
  return { answers: <Answer>() => ({ input, answers: (_: Answer) => {} }) };
}
