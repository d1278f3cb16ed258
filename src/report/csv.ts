/** Comma-separated values, RFC 4180: CRLF ends a line, a field with a comma, a quote or a line end stands in quotes. */

export type CsvValue = string | number | boolean | null | undefined;

/** One record with its line end. Null, undefined and numbers that are none are empty fields. */
export function csvLine(values: readonly CsvValue[]): string {
  // A record of one empty field would be an empty line, which readers skip.
  const fields = values.length === 1 && textOf(values[0]) === '' ? ['""'] : values.map(field);
  return `${fields.join(',')}\r\n`;
}

/** Records below a header; shorter ones are filled up. */
export function csvText(header: readonly string[], records: readonly (readonly CsvValue[])[]): string {
  const lines = records.map((record) => csvLine(header.map((_, index) => record[index])));
  return [csvLine(header), ...lines].join('');
}

function textOf(value: CsvValue): string {
  if (value === null || value === undefined || (typeof value === 'number' && !Number.isFinite(value))) {
    return '';
  }
  return String(value);
}

function field(value: CsvValue): string {
  const text = textOf(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
