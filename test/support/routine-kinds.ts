/** What runs statements out of a client's sight. */
export const ROUTINE_KINDS = ['procedure', 'function', 'trigger', 'view'] as const;
export type RoutineKind = (typeof ROUTINE_KINDS)[number];

type Make = (name: string, body: string) => readonly string[];

const makeFunction: Make = (name, body) => [
  `CREATE FUNCTION ${name}() RETURNS INT DETERMINISTIC NO SQL BEGIN ${body}; RETURN 1; END`,
];

/** The statements that make one which runs `body`: statements with `;` between them. */
export const MAKE_ROUTINE: Readonly<Record<RoutineKind, Make>> = {
  procedure: (name, body) => [`CREATE PROCEDURE ${name}() BEGIN ${body}; END`],
  function: makeFunction,
  trigger: (name, body) => [
    `CREATE TABLE ${name}_table(a INT)`,
    `CREATE TRIGGER ${name} BEFORE INSERT ON ${name}_table FOR EACH ROW BEGIN ${body}; END`,
  ],
  view: (name, body) => [
    ...makeFunction(`${name}_inner`, body),
    `CREATE VIEW ${name} AS SELECT ${name}_inner() AS a`,
  ],
};

/** The statement that runs one. */
export const USE_ROUTINE: Readonly<Record<RoutineKind, (name: string) => string>> = {
  procedure: (name) => `CALL ${name}()`,
  function: (name) => `SELECT ${name}()`,
  trigger: (name) => `INSERT INTO ${name}_table VALUES(1)`,
  view: (name) => `SELECT * FROM ${name}`,
};
