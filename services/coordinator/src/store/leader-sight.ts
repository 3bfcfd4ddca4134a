import type { LeaderRecords, LockClock } from "./epoch-lock.js";

/** What was last seen of a lease by one who wants it. */
export class LeaderSight {
  readonly #clock: LockClock;
  #holder = "";
  #answeredMs: number | undefined;

  constructor(clock: LockClock) {
    this.#clock = clock;
  }

  /** Who held it; "" for nobody, and before the first look. */
  get holder(): string {
    return this.#holder;
  }

  /** The last answer, to whatever was asked, came no longer ago than this. */
  isYoungerThan(durationMs: number): boolean {
    return this.#answeredMs !== undefined && this.#clock.nowMs() - this.#answeredMs <= durationMs;
  }

  /** The records, looked at by all who go through here. */
  through(records: LeaderRecords): LeaderRecords {
    const seen = <Answer>(answer: Answer, holder?: string): Answer => {
      this.#answeredMs = this.#clock.nowMs();
      this.#holder = holder ?? this.#holder;
      return answer;
    };
    return {
      get: async (id) => {
        const found = await records.get(id);
        return seen(found, found?.value.holder ?? "");
      },
      create: async (id, leader) => seen(await records.create(id, leader)),
      update: async (id, leader, revision) => seen(await records.update(id, leader, revision)),
    };
  }
}
