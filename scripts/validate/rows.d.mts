/** Types of rows.mjs, for the test that runs the same table. */
export interface Result {
  readonly id: string;
  readonly name: string;
  readonly unit: string;
  readonly measured: number;
  /** Null where nothing is predicted. */
  readonly predicted: number | null;
  readonly errorPercent: number | null;
  readonly bandPercent: number;
  readonly mark: 'in' | 'OUT' | 'SET' | 'PRESET' | 'NOT MODELLED';
  readonly why: string;
}

/** @param lab the lab face of the package, with `noTurn` of the fabric's */
export declare function validate(
  lab: object,
  input: {
    readonly rows: object;
    readonly calibration: readonly object[];
    readonly read: (file: string) => string;
    readonly only?: RegExp;
  },
  onResult?: (result: Result) => void,
): Promise<readonly Result[]>;

export declare function score(results: readonly Result[]): {
  readonly inBand: number;
  readonly counted: number;
};
