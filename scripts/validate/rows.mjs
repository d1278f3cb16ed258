// Runs the calibration rows of test/golden/timing: each metric is a lab file with a few values set, a run of its workload on the
// packet engine, and one number of the report. Given the package's lab face, so that the script runs the built package and the
// test the sources.

/** Events between two looks whether a run is over. */
const EVENTS = 1_000_000;

/** Numbers that a report is read as; `streams` are those that a metric names, or all. */
const READERS = {
  goodput: (_report, streams) => sum(streams, ({ goodputGBs }) => goodputGBs),
  gigabits: (_report, streams) => 8 * sum(streams, ({ goodputGBs }) => goodputGBs),
  iops: (_report, streams) => sum(streams, ({ iops }) => iops),
  ns: (_report, streams) => weighted(streams, ({ latency }) => latency.meanNs),
  us: (_report, streams) => weighted(streams, ({ latency }) => latency.meanNs) / 1000,
  'dram-bytes-per-byte': (report) => report.dramBytes / sum(report.streams, ({ bytes }) => bytes),
  succeeds: (_report, streams) =>
    streams.every(({ failures, bytes }) => failures === 0 && bytes > 0) ? 1 : 0,
  'cpu-percent': (report, _streams, run) => (100 * report.cpu.busyPs) / (report.measuredPs * run.cores),
};

/** How the numbers of several runs become one. */
const COMBINE = {
  value: ([one]) => one,
  ratio: ([one, other]) => one / other,
  difference: ([one, other]) => one - other,
  drop: ([before, after]) => 1 - after / before,
  total: ([one, other]) => one + other,
  least: (numbers) => Math.min(...numbers),
};

/**
 * @param {object} lab  `parseLab`, `setLabValue`, `LabMachine`, `WorkloadRun` of the lab face, and `noTurn` of the fabric's
 * @param {{name: string, rows: object[], calibration: object[], read: (file: string) => string, only?: RegExp}} input
 * @param {(result: object) => void} [onResult] hears of each metric when it is known
 */
export async function validate(lab, { rows, calibration, read, only }, onResult = () => {}) {
  const known = new Map();
  const results = [];
  for (const { id, metrics } of calibration) {
    if (only !== undefined && !only.test(id)) continue;
    const row = rows[id];
    for (const { name, value, unit, tolPct } of metrics) {
      const metric = row?.metrics[name];
      const result = { id, name, unit, measured: value, bandPercent: tolPct, ...(await outcome(metric)) };
      results.push(result);
      onResult(result);
    }

    async function outcome(metric) {
      if (metric === undefined || metric.notModelled !== undefined) {
        const why = metric?.notModelled ?? 'not described in rows.json';
        return { predicted: null, errorPercent: null, mark: row?.preset ? 'PRESET' : 'NOT MODELLED', why };
      }
      if (metric.constant !== undefined) return judged(metric, metric.constant);
      const numbers = [];
      for (const run of metric.runs ?? [metric]) {
        numbers.push(
          await numberOf({ ...row, ...metric, ...run, with: { ...row.with, ...metric.with, ...run.with } }),
        );
      }
      const predicted = COMBINE[metric.combine ?? 'value'](numbers);
      return judged(metric, predicted);
    }

    function judged(metric, predicted) {
      const { value, tolPct } = calibration
        .find((one) => one.id === id)
        .metrics.find(({ name }) => row.metrics[name] === metric);
      // A share of nothing cannot be off by a part of itself: there the band is percentage points.
      const errorPercent = value === 0 ? 100 * predicted : 100 * (predicted / value - 1);
      const isIn = Math.abs(errorPercent) <= tolPct + 1e-9;
      const mark = row.preset ? 'PRESET' : metric.set !== undefined ? 'SET' : isIn ? 'in' : 'OUT';
      return { predicted, errorPercent, mark, why: metric.set ?? metric.why ?? '' };
    }
  }
  return results;

  async function numberOf(run) {
    const key = JSON.stringify([run.lab, run.with]);
    let report = known.get(key);
    if (report === undefined) {
      report = await runLab(run);
      known.set(key, report);
    }
    const streams = report.streams.filter(
      ({ name }) => run.streams === undefined || run.streams.includes(name),
    );
    return READERS[run.read](report, streams, run) * (run.times ?? 1);
  }

  async function runLab({ lab: file, with: values }) {
    let text = read(file);
    for (const [path, value] of Object.entries(values))
      text = lab.setLabValue(text, path, String(value), file);
    const machine = lab.LabMachine.boot(lab.parseLab(text, file), {
      label: file,
      timing: { engine: 'tlp' },
      turn: lab.noTurn,
    });
    const run = new lab.WorkloadRun(machine, machine.lab.workload);
    while (!run.advance(EVENTS)) {}
    const report = run.report();
    await run.close();
    return report;
  }
}

/** What counts: neither presets nor what set a constant. */
export function score(results) {
  const counted = results.filter(({ mark }) => mark !== 'SET' && mark !== 'PRESET');
  return { inBand: counted.filter(({ mark }) => mark === 'in').length, counted: counted.length };
}

function sum(list, of) {
  return list.reduce((total, each) => total + of(each), 0);
}

/** By requests. */
function weighted(streams, of) {
  const measured = streams.filter(({ latency }) => latency !== null);
  return sum(measured, (stream) => of(stream) * stream.requests) / sum(measured, ({ requests }) => requests);
}
