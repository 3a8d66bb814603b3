/** A formula, from the MathML that the import created. */
import { createElement, type ReactNode } from 'react';
import { texts } from '../texts';

interface FormulaProps {
  /** counted within the lesson, from 1 */
  number: number;
  mathml: string | null;
  /** shown if there is no MathML */
  tex: string;
  marked: boolean;
}

export function Formula({ number, mathml, tex, marked }: FormulaProps) {
  const math = (mathml && toElements(mathml)) ?? <code>{tex}</code>;
  return (
    <div className="formula" role="group" aria-label={texts.lesson.formula(number)}>
      {marked ? <mark>{math}</mark> : math}
      <span className="tag num" aria-hidden="true">
        ({number})
      </span>
    </div>
  );
}

const NAMESPACE = 'http://www.w3.org/1998/Math/MathML';

/** Rebuilt as React elements, so only MathML elements and layout attributes reach the page. */
function toElements(mathml: string): ReactNode {
  const root = new DOMParser().parseFromString(mathml, 'application/xml').documentElement;
  return root.localName === 'math' ? toReactNode(root, 0) : null;
}

function toReactNode(node: Node, key: number): ReactNode {
  if (!(node instanceof Element)) return node.textContent;
  if (node.namespaceURI !== NAMESPACE) return null;
  const attributes = [...node.attributes].filter(({ name }) => /^[a-z]+$/.test(name) && !activeAttribute.test(name));
  const props = Object.fromEntries(attributes.map(({ name, value }) => [name, value]));
  return createElement(node.localName, { ...props, key }, ...[...node.childNodes].map(toReactNode));
}

/** attributes that could run or style something; the import already removes them */
const activeAttribute = /^(on|href|src|class|style|xmlns|dangerously|ref|key)/i;
