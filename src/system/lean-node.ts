/**
 * How Node is started for the daemon, which rests most of its life.
 *
 * V8 lets what was made lately grow to 16 MB and more before it looks through it, and hardly gives that
 * back: a daemon that had indexed 300 files stayed at 135 MB, with 1 MB at 94 (Node 20, Linux).
 */
export const leanNode: readonly string[] = ['--max-semi-space-size=1'];
