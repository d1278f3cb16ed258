/** Names of presets that a lab file may give; `rates` has the constants behind them. */
export { DEVICE_PRESET_NAMES, MEDIA_PRESET_NAMES, PLATFORM_NAMES } from '../../rates/index.ts';
