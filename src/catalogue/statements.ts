/**
 * Prepared statements, each made once.
 */
import type { Database } from './driver.ts';

export type SqlValue = string | number | Buffer | null;

/** Statements beyond this many are variants that will hardly be asked again. */
const mostKept = 300;

export class Statements {
  readonly #database: Database.Database;
  readonly #made = new Map<string, Database.Statement<unknown[], unknown>>();

  constructor(database: Database.Database) {
    this.#database = database;
  }

  // STRICT tables and the column list of the SQL itself fix the shape of every row.
  one<Row>(sql: string, ...values: SqlValue[]): Row | undefined {
    return this.#prepare(sql).get(...values) as Row | undefined;
  }

  all<Row>(sql: string, ...values: SqlValue[]): Row[] {
    return this.#prepare(sql).all(...values) as Row[];
  }

  run(sql: string, ...values: SqlValue[]): Database.RunResult {
    return this.#prepare(sql).run(...values);
  }

  #prepare(sql: string): Database.Statement<unknown[], unknown> {
    const known = this.#made.get(sql);
    if (known) return known;
    if (this.#made.size >= mostKept) this.#made.clear();
    const made = this.#database.prepare<unknown[], unknown>(sql);
    this.#made.set(sql, made);
    return made;
  }
}
