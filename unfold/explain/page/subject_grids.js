// The tensors of a subject as matrices, each with its meaning and its size of cell.
import { matrix } from "./grid.js";

/// The image of channel ch with its padding around it; onPoint and onPick get (y, x) without the padding.
export function imageGrid(s, ch, options = {}) {
  const below = Math.max(0, (s.OH - 1) * s.SH + s.DH * (s.KH - 1) + 1 - s.PT - s.H);
  const right = Math.max(0, (s.OW - 1) * s.SW + s.DW * (s.KW - 1) + 1 - s.PL - s.W);
  const values = options.values ?? s.x;
  const back = (f) => f && ((r, c) => (r == null ? f(null) : f(r - s.PT, c - s.PL)));
  const grid = matrix({ rows: s.H + s.PT + below, cols: s.W + s.PL + right, cell: s.real ? Math.max(4, Math.min(22, Math.floor((s.C > 1 ? 150 : 300) / s.W))) : 34,
    ...options, onPoint: back(options.onPoint), onPick: back(options.onPick ?? options.onPoint),
    value: (r, c) => (r < s.PT || c < s.PL || r >= s.PT + s.H || c >= s.PL + s.W ? null : values[(ch * s.H + r - s.PT) * s.W + c - s.PL]),
    title: options.title ?? (s.C > 1 ? `image, channel ${ch}` : "image") });
  return { ...grid, mark: (list) => grid.mark(list.map((at) => ({ ...at, r: at.r + s.PT, c: at.c + s.PL }))) };
}

/// The patch matrix (rows x cols) or something of its shape.
export const columnsGrid = (s, options) => matrix({ rows: s.rows, cols: s.cols, cell: columnCell(s), bands: [s.KH * s.KW, s.OW], ...options });
/// Cells of the patch matrix: large ones while a whole small example fits.
export const columnCell = (s) => (s.real ? Math.max(3, Math.min(12, Math.floor(1180 / s.cols), Math.floor(480 / s.rows))) : Math.max(14, Math.min(34, Math.floor(820 / s.cols))));

/// One output channel as a picture (OH x OW); y: any array of the output's shape.
export const outputGrid = (s, oc, y, options = {}) => matrix({ rows: s.OH, cols: s.OW, cell: s.real ? Math.max(4, Math.min(22, Math.floor(300 / s.OW))) : 34,
  value: (r, c) => y[oc * s.cols + r * s.OW + c], ...options });

/// The filter of output channel oc for one input channel of its group.
export const filterGrid = (s, oc, ch, w, options = {}) => matrix({ rows: s.KH, cols: s.KW, cell: 34,
  value: (kh, kw) => w[oc * s.depth + (ch * s.KH + kh) * s.KW + kw], ...options });
