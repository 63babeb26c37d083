/**
 * Hands a file made in the page to the browser's downloads.
 * @param {Blob} blob
 * @param {string} name
 */
export function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  followDownload(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/**
 * Starts a download from an address; presigned addresses carry their own attachment header.
 * @param {string} url
 * @param {string} [name]
 */
export function followDownload(url, name = '') {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.rel = 'noopener';
  document.body.append(link);
  link.click();
  link.remove();
}
