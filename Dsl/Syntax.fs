/// The tree that the text script, the F# form and the C# builder all produce. It knows no layer and no
/// optimizer: words are words here, and the checker gives them their meaning.
module CnnCluster.Dsl.Syntax

type Name = { Text: string; Span: Span }

type UnaryOperator =
    | Negate
    | Not

type BinaryOperator =
    | Or
    | And
    | Equal
    | NotEqual
    | Less
    | LessOrEqual
    | Greater
    | GreaterOrEqual
    | Add
    | Subtract
    | Multiply
    | Divide

type Expression = { Kind: ExpressionKind; Span: Span }

and ExpressionKind =
    /// A number; integers are exact up to 2^53.
    | Number of float
    /// `5x5`, `?x?x3`: one entry a side, `None` for an open one.
    | Size of int option list
    | Text of string
    /// A bare word: a parameter, a flag, an activation or a value, as the checker finds.
    | Word of string
    /// `here.channels`
    | Member of Name * Name
    /// `leakyrelu(0.1)`
    | Call of Name * Expression list
    /// `[1 2 1; 2 4 2]`: rows of entries. A list is one row.
    | Matrix of Expression list list
    | Unary of UnaryOperator * Expression
    | Binary of BinaryOperator * Expression * Expression
    /// `(n - 1)`: kept, since an argument with blanks needs its parentheses.
    | Parenthesised of Expression

/// A comment's text without its `#`; `Before` stand on their own lines, `After` trails the statement.
type Comments =
    { Before: string list
      After: string option }

type Argument =
    | Positional of Expression
    | Keyword of Name * Expression
    | Branch of Body

and Body =
    {
        Statements: Statement list
        /// Comments that stand before the closing brace.
        Closing: string list
        Span: Span
    }

and Statement =
    { Kind: StatementKind
      Comments: Comments
      Span: Span }

and StatementKind =
    /// `conv 6 5x5 pad=same relu as stem`
    | Use of word: Name * arguments: Argument list * label: Name option
    | As of Name
    | From of Name
    | Output of Name
    | Let of Name * Expression
    | Defaults of Body
    | If of condition: Expression * whenTrue: Body * whenFalse: Body option
    /// `repeat 3 {}`, `repeat i in 1..n {}`, `repeat a, b in [64 3; 128 4] {}`
    | Repeat of names: Name list * over: Expression * upTo: Expression option * body: Body
    /// What could not be read, with its first word; only in trees that come with errors.
    | Unread of Name option

type Parameter =
    { Name: Name
      Default: Expression option }

type Declaration =
    { Kind: DeclarationKind
      Comments: Comments
      Span: Span }

and DeclarationKind =
    | Network of Name * Body
    | Shared of Name * Body
    | Train of Name * Body
    | Block of Name * Parameter list * Body
    | Import of path: string * Span
    /// What could not be read; only in trees that come with errors.
    | UnreadDeclaration

type Script =
    {
        Declarations: Declaration list
        /// Comments after the last declaration.
        Closing: string list
    }
