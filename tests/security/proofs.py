"""Prove from the catalog which rows a role can reach, whatever the rows and the context hold.

A policy here is flat: it compares columns with the settings of the context. So it translates into
formulas over a row and a context of which nothing is known, and z3 either shows that no such two
break a claim, or finds two that do. PostgreSQL's own rules are modelled: three-valued logic, any
of the permissive policies and all of the restrictive ones, grants, roles.

Not modelled: that a statement which reads, too, must satisfy the policies for select; keys, checks
and triggers. All of them only take away, so what is proven here holds with them. Functions that
lend the rights of another role are not policies, and are attacked in
tests/security/test_isolation.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import asyncpg
import z3
from pglast import ast, enums, parse_sql

SETTINGS = ("current_user_id", "current_family_id", "current_member_role")

# What a command asks of a policy: to find the row as it is (using), to leave it so (with check).
ACCESSES = {
    "select": ("r", "condition"),
    "insert": ("a", "check"),
    "update of a row": ("w", "condition"),
    "update to a row": ("w", "check"),
    "delete": ("d", "condition"),
}


class UnknownExpressionError(Exception):
    """Say which part of an expression has no translation; it may mean anything."""


@dataclass(frozen=True)
class Value:
    """A column, a setting or a literal: text, or null."""

    text: z3.SeqRef
    is_null: z3.BoolRef


@dataclass(frozen=True)
class Truth:
    """A condition in three-valued logic: neither true nor false is null."""

    is_true: z3.BoolRef
    is_false: z3.BoolRef


@cache
def truth(expression: str, context: str = "context") -> Truth:
    """Translate a condition as pg_get_expr prints it; raise UnknownExpressionError."""
    (statement,) = parse_sql(f"select {expression}")
    return _truth(statement.stmt.targetList[0].val, context)


def _truth(node: ast.Node, context: str) -> Truth:
    match node:
        case ast.A_Const(val=ast.Boolean(boolval=constant)):
            return Truth(z3.BoolVal(constant), z3.BoolVal(not constant))
        case ast.ColumnRef(fields=(ast.String(sval=name),)):
            value, is_null = z3.Bool(f"row.{name}"), z3.Bool(f"row.{name} is null")
            return Truth(z3.And(value, z3.Not(is_null)), z3.Not(z3.Or(value, is_null)))
        case ast.BoolExpr(boolop=operator, args=args):
            parts = [_truth(part, context) for part in args]
            trues, falses = [part.is_true for part in parts], [part.is_false for part in parts]
            match operator:
                case enums.BoolExprType.AND_EXPR:
                    return Truth(z3.And(trues), z3.Or(falses))
                case enums.BoolExprType.OR_EXPR:
                    return Truth(z3.Or(trues), z3.And(falses))
                case _:
                    return _not(parts[0])
        case ast.NullTest(arg=operand, nulltesttype=kind):
            is_null = _value(operand, context).is_null
            found = Truth(is_null, z3.Not(is_null))
            return found if kind == enums.NullTestType.IS_NULL else _not(found)
        case ast.A_Expr(
            kind=enums.A_Expr_Kind.AEXPR_OP,
            name=(ast.String(sval="=" | "<>" as operator),),
            lexpr=left,
            rexpr=right,
        ):
            equal = _equal(_value(left, context), _value(right, context))
            return equal if operator == "=" else _not(equal)
        case ast.A_Expr(
            kind=enums.A_Expr_Kind.AEXPR_OP,
            name=(ast.String(sval="<"),),
            lexpr=left,
            rexpr=ast.SQLValueFunction(op=enums.SQLValueFunctionOp.SVFOP_CURRENT_TIMESTAMP),
        ):  # times in one notation, which is that of the alphabet
            time = _value(left, context)
            comparable, earlier = z3.Not(time.is_null), time.text < z3.String("now")
            return Truth(z3.And(comparable, earlier), z3.And(comparable, z3.Not(earlier)))
        case ast.A_Expr(
            kind=enums.A_Expr_Kind.AEXPR_OP_ANY,
            name=(ast.String(sval="="),),
            lexpr=left,
            rexpr=ast.A_ArrayExpr(elements=elements),
        ):
            value = _value(left, context)
            each = [_equal(value, _value(element, context)) for element in elements]
            return Truth(z3.Or([e.is_true for e in each]), z3.And([e.is_false for e in each]))
    raise UnknownExpressionError(repr(node))


def _value(node: ast.Node, context: str) -> Value:
    match node:
        case ast.TypeCast(
            arg=ast.A_Const() as constant,
            typeName=ast.TypeName(names=(ast.String(sval="app" | "text" | "uuid"), *_)),
        ):  # enums of ours and what else is equal when its text is
            return _value(constant, context)
        case ast.A_Const(isnull=False, val=ast.String(sval=text)):
            return Value(z3.StringVal(text), z3.BoolVal(False))
        case ast.ColumnRef(fields=(ast.String(sval=name),)):
            return _named(f"row.{name}")
        case ast.FuncCall(funcname=(ast.String(sval="app"), ast.String(sval=name)), args=None) if (
            name in SETTINGS
        ):
            return _named(f"{context}.{name}")
    raise UnknownExpressionError(repr(node))


def _named(name: str) -> Value:
    return Value(z3.String(name), z3.Bool(f"{name} is null"))


def _not(condition: Truth) -> Truth:
    return Truth(condition.is_false, condition.is_true)


def _equal(left: Value, right: Value) -> Truth:
    comparable = z3.Not(z3.Or(left.is_null, right.is_null))
    equal = left.text == right.text
    return Truth(z3.And(comparable, equal), z3.And(comparable, z3.Not(equal)))


@dataclass(frozen=True)
class Policy:
    """A policy, in the letters of pg_policy, for one of its roles."""

    table: str
    role: str
    name: str
    command: str
    is_permissive: bool
    condition: str | None
    check: str | None

    def allows(self, access: str, context: str) -> z3.BoolRef:
        """Return the formula under which it lets a row pass."""
        expression = self.condition
        if ACCESSES[access][1] == "check" and self.check is not None:
            expression = self.check
        try:
            return truth(expression, context).is_true if expression else z3.BoolVal(False)
        except UnknownExpressionError as error:
            message = f"policy {self.name} on app.{self.table}: no translation for {error}"
            raise UnknownExpressionError(message) from None


@dataclass(frozen=True)
class Table:
    """A table as one role meets it: letters of the commands granted, policies for that role."""

    name: str
    role: str
    columns: tuple[str, ...]
    trail: str | None  # what its trigger for the trail is told first; None without one
    granted: str
    is_guarded: bool
    policies: tuple[Policy, ...]

    def is_granted(self, access: str) -> bool:
        """Say whether the role may give the command at all, on some column at least."""
        return ACCESSES[access][0] in self.granted

    def reaches(self, access: str, context: str = "context") -> z3.BoolRef:
        """Return the formula under which the role reaches a row in a context."""
        command = ACCESSES[access][0]
        if not self.is_granted(access):
            return z3.BoolVal(False)
        if not self.is_guarded:
            return z3.BoolVal(True)
        permissive, restrictive = (
            [
                policy.allows(access, context)
                for policy in self.policies
                if policy.is_permissive is kind and policy.command in (command, "*")
            ]
            for kind in (True, False)
        )
        return z3.And(z3.Or(permissive), *restrictive)

    @cache  # noqa: B019 -- a table is a value, and there are few; a mutant changes one
    def counterexample(self, access: str, claim: str) -> str | None:
        """Return a row that the role reaches although the claim is not true of it, or None."""
        return self._refutation(access, [self.reaches(access), z3.Not(truth(claim).is_true)])

    def hidden_row(self, *claims: str) -> str | None:
        """Return a row that the role does not see although the claims are true of it, or None."""
        hidden = [truth(claim).is_true for claim in claims] + [z3.Not(self.reaches("select"))]
        return self._refutation("select of a hidden row", hidden)

    @cache  # noqa: B019
    def shared_row(self, claim: str) -> str | None:
        """Return a row seen in two contexts of which the claim could be true of one only."""
        contexts = ("context", "the other")
        return self._refutation(
            "select in two contexts",
            [self.reaches("select", context) for context in contexts]
            + [z3.Not(_equal(*(_setting_of(claim, context) for context in contexts)).is_true)],
        )

    def _refutation(self, access: str, formulas: Iterable[z3.BoolRef]) -> str | None:
        solver = z3.Solver()
        solver.add(*formulas)
        response = solver.check()
        if response == z3.unsat:
            return None
        found = _readable(solver.model()) if response == z3.sat else solver.reason_unknown()
        return f"{self.role} on app.{self.name}, {access}: {found}"


def _setting_of(claim: str, context: str) -> Value:
    """Return the setting that a claim of the form `column = app.setting()` compares with."""
    (statement,) = parse_sql(f"select {claim}")
    return _value(statement.stmt.targetList[0].val.rexpr, context)


def _readable(model: z3.ModelRef) -> str:
    """Say a model in words: `row.family_id = 'A', context.current_family_id is null`."""
    found = {variable.name(): model[variable] for variable in model.decls()}
    nulls = {name for name, value in found.items() if name.endswith(" is null") and value}
    values = {
        f"{name} = {value}"
        for name, value in found.items()
        if not name.endswith(" is null") and f"{name} is null" not in nulls
    }
    return ", ".join(sorted(nulls | values)) or "any row, in any context"


_TABLES = """
    select c.relname::text as table, r.rolname::text as role, granted,
        array(
            select a.attname::text from pg_attribute as a
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        ) as columns,
        (
            select split_part(encode(g.tgargs, 'escape'), '\\000', 1)
            from pg_trigger as g
            where g.tgrelid = c.oid and g.tgname = '_900_audit'
        ) as trail,
        c.relrowsecurity and not r.rolsuper and not r.rolbypassrls
            and (c.relforcerowsecurity or not pg_has_role(r.oid, c.relowner, 'usage')) as is_guarded
    from pg_class as c
    cross join pg_roles as r
    cross join lateral concat(
        case when has_any_column_privilege(r.oid, c.oid, 'select') then 'r' end,
        case when has_any_column_privilege(r.oid, c.oid, 'insert') then 'a' end,
        case when has_any_column_privilege(r.oid, c.oid, 'update') then 'w' end,
        case when has_table_privilege(r.oid, c.oid, 'delete') then 'd' end
    ) as granted
    where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p')
        and r.rolname = any($1)
    order by 1, 2
"""
_POLICIES = """
    select c.relname::text as table,
        r.rolname::text as role, p.polname::text as name, p.polcmd::text as command,
        p.polpermissive as is_permissive, pg_get_expr(p.polqual, p.polrelid) as condition,
        pg_get_expr(p.polwithcheck, p.polrelid) as check
    from pg_policy as p
    join pg_class as c on c.oid = p.polrelid and c.relnamespace = 'app'::regnamespace
    join pg_roles as r on r.rolname = any($1) and (
        0 = any(p.polroles)
        or exists (
            select from unnest(p.polroles) as named where pg_has_role(r.oid, named, 'usage')
        )
    )
"""


async def read_tables(connection: asyncpg.Connection, *roles: str) -> list[Table]:
    """Return every table of the schema as each of the roles meets it."""
    policies = [Policy(**row) for row in await connection.fetch(_POLICIES, roles)]
    return [
        Table(
            name=row["table"],
            role=row["role"],
            columns=tuple(row["columns"]),
            trail=row["trail"],
            granted=row["granted"],
            is_guarded=row["is_guarded"],
            policies=tuple(
                policy
                for policy in policies
                if (policy.table, policy.role) == (row["table"], row["role"])
            ),
        )
        for row in await connection.fetch(_TABLES, roles)
    ]
