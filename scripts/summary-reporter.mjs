// A vitest reporter that counts, and keeps why each skipped test was skipped: the note given to `skip`, else its suite.
import { writeFileSync } from 'node:fs';

export default class SummaryReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const summary = { passed: 0, failed: 0, skipped: 0, reasons: {} };
    for (const module of modules) {
      if (module.state() === 'failed' && module.children.size === 0) summary.failed++;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') summary.passed++;
        else if (result.state === 'failed') summary.failed++;
        else {
          summary.skipped++;
          const reason = result.note ?? test.parent?.name ?? module.relativeModuleId;
          summary.reasons[reason] = (summary.reasons[reason] ?? 0) + 1;
        }
      }
    }
    summary.failed += unhandledErrors.length;
    const path = process.env.PEERLANE_TEST_SUMMARY;
    if (path) writeFileSync(path, JSON.stringify(summary));
  }
}
