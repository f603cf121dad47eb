// The texts that the scripts show, in the language of the page: only those are loaded.
const { default: texts } = await (document.documentElement.lang === 'ru' ? import('./texts-ru.js') : import('./texts-en.js'));
/** @type {Record<string, any>} */
export const T = texts;
