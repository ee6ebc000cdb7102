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

/// What stands on a line of its own between statements.
type Aside =
    /// A comment's text, without its `#` and the blanks around it.
    | Comment of string
    | BlankLine

/// `Before` stands in front of the statement, `After` is the comment behind it on its last line.
type Comments =
    { Before: Aside list
      After: string option }

module Comments =
    let none = { Before = []; After = None }

type Argument =
    | Positional of Expression
    | Keyword of Name * Expression
    | Branch of Body

and Body =
    {
        /// The comment behind the opening brace.
        Opening: string option
        Statements: Statement list
        /// What stands before the closing brace.
        Closing: Aside list
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
        Closing: Aside list
    }

/// Which blank lines count: one at a time, and none at the edge of what is in braces.
module Asides =
    let private isBlank aside = aside = BlankLine

    /// One blank line for several.
    let private single asides =
        (asides, [])
        ||> List.foldBack (fun aside rest ->
            match aside, rest with
            | BlankLine, BlankLine :: _ -> rest
            | _ -> aside :: rest)

    let inner asides = single asides

    let first asides =
        asides |> List.skipWhile isBlank |> single

    let last asides = asides |> List.rev |> first |> List.rev

    let alone asides = asides |> first |> last

module Body =
    /// A body of statements without comments of its own.
    let ofStatements statements span =
        { Opening = None
          Statements = statements
          Closing = []
          Span = span }

    let private statementWith before (statement: Statement) =
        { statement with
            Comments =
                { statement.Comments with
                    Before = before statement.Comments.Before } }

    /// The body with those blank lines only that the canonical form has.
    let settled body =
        match body.Statements with
        | [] ->
            { body with
                Closing = Asides.alone body.Closing }
        | head :: tail ->
            { body with
                Statements = statementWith Asides.first head :: List.map (statementWith Asides.inner) tail
                Closing = Asides.last body.Closing }
