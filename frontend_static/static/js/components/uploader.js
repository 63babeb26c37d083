import { post } from '../shared/api.js';

export const LARGEST_BYTES = 5_000_000_000;
const PART_TRIES = 3;

/**
 * Sends bytes straight to storage with progress. XHR, since fetch does not report how much was sent.
 * @param {string} url presigned
 * @param {{method?: string, headers?: Record<string, string>, body: Blob, onSent: (bytes: number) => void, signal: AbortSignal, wantTag?: boolean}} options
 * @returns {Promise<string>} the entity tag storage gave, when it is wanted: reading a header that storage does not expose is an error of its own
 */
function send(url, { method = 'PUT', headers = {}, body, onSent, signal, wantTag = false }) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open(method, url);
    for (const [name, value] of Object.entries(headers)) call.setRequestHeader(name, value);
    call.upload.addEventListener('progress', (event) => onSent(event.loaded));
    call.addEventListener('load', () => (call.status < 300 ? resolve(wantTag ? call.getResponseHeader('etag') ?? '' : '') : reject(new Error(`Storage refused the file (${call.status}). Try again.`))));
    call.addEventListener('error', () => reject(new Error('The connection to storage was lost. Check your connection and try again.')));
    call.addEventListener('abort', () => reject(new DOMException('The upload was stopped.', 'AbortError')));
    signal.addEventListener('abort', () => call.abort(), { once: true });
    call.send(body);
  });
}

async function sendPart(dataset, part, options) {
  let { url } = part;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send(url, options);
    } catch (error) {
      if (error.name === 'AbortError' || attempt >= PART_TRIES) throw error;
      const fresh = await post(`/datasets/${dataset.id}/upload/parts`, { numbers: [part.number] });
      url = fresh.parts.find((one) => one.number === part.number).url;
    }
  }
}

async function sendParts(dataset, upload, file, onProgress, signal) {
  const done = [];
  let before = 0;
  const total = Math.ceil(file.size / upload.part_size);
  let known = upload.parts;
  for (let number = 1; number <= total; number += 1) {
    if (!known.some((one) => one.number === number)) known = (await post(`/datasets/${dataset.id}/upload/parts`, { numbers: [number] })).parts;
    const body = file.slice((number - 1) * upload.part_size, number * upload.part_size);
    const part = known.find((one) => one.number === number);
    const etag = await sendPart(dataset, part, { body, signal, wantTag: true, onSent: (bytes) => onProgress((before + bytes) / file.size) });
    before += body.size;
    done.push({ number, etag });
  }
  await post(`/datasets/${dataset.id}/upload/complete`, { parts: done });
}

/** A file that never arrived would stay in the list as uploading; where this fails too, the service expires it by itself. */
async function withdraw(dataset) {
  try {
    await post(`/datasets/${dataset.id}/upload/abort`, {});
  } catch {
    // The first error is the one to show.
  }
}

/** @param {string} fileName @returns {string} a name for people */
export function nameFromFile(fileName) {
  const base = fileName.replace(/\.[^.]+$/, '').replace(/[_-]+/g, ' ').trim();
  return base ? base[0].toUpperCase() + base.slice(1) : 'Dataset';
}

/** @param {File} file @returns {string|null} why it cannot be uploaded */
export function fileProblem(file) {
  if (file.size === 0) return `${file.name} is empty.`;
  if (file.size > LARGEST_BYTES) return `${file.name} is larger than 5 GB. Split it into several files.`;
  if (!/\.(jsonl|json|ndjson)$/i.test(file.name)) return `${file.name} is not a JSON Lines file. Save the conversations as .jsonl, one per line.`;
  return null;
}

/**
 * Announces a dataset and uploads its file.
 * @param {File} file
 * @param {{name: string, onCreated: (dataset: object) => void, onProgress: (share: number) => void, signal: AbortSignal}} options
 * @returns {Promise<object>} the dataset, now being checked
 */
export async function uploadDataset(file, { name, onCreated, onProgress, signal }) {
  const { dataset, upload } = await post('/datasets', { name, file_name: file.name, size_bytes: file.size });
  onCreated(dataset);
  try {
    if (upload.parts) await sendParts(dataset, upload, file, onProgress, signal);
    else await send(upload.url, { method: upload.method, headers: upload.headers, body: file, signal, onSent: (bytes) => onProgress(bytes / file.size) });
  } catch (error) {
    await withdraw(dataset);
    throw error;
  }
  onProgress(1);
  return dataset;
}
