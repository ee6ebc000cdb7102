/// Names, literals and expressions.
module internal CnnCluster.Dsl.Parsing.ExpressionParser

open System
open System.Globalization
open System.Collections.Generic
open FParsec
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Parsing.ParserState
open CnnCluster.Dsl.Parsing.Mistakes

/// Where blanks may stand in an expression.
type Blanks =
    /// An argument: none, so that blanks separate arguments.
    | Tight
    /// A statement's own expression: on its line.
    | Loose
    /// Inside parentheses: anywhere, line ends too.
    | Enclosed

let private around =
    function
    | Tight -> preturn ()
    | Loose -> blanks
    | Enclosed -> gap

// A hyphen joins two words only between letters, so that `n-1` subtracts.
let private nameText: Parser<string> =
    fun stream ->
        let rec length (n: int) =
            let c = stream.Peek n

            if isWordCharacter c then
                length (n + 1)
            elif c = '-' && isLetter (stream.Peek(n - 1)) && isLetter (stream.Peek(n + 1)) then
                length (n + 1)
            else
                n

        if isLetter (stream.Peek()) then
            Reply(stream.Read(length 1))
        else
            Reply(FParsec.Primitives.Error, expected "a name")

let name: Parser<Name> =
    spanned nameText |>> fun (text, span) -> { Text = text; Span = span }

/// A name, where nothing else may stand.
let required: Parser<Name> = name <|> mistaken noName |> called "a name"

let private keyword text : Parser<unit> =
    attempt (nameText >>= fun word -> if word = text then preturn () else fail "")

let private sizeKind =
    regex @"([0-9]+|\?)(x([0-9]+|\?))+"
    |>> fun text ->
        text.Split 'x'
        |> Array.map (fun side -> if side = "?" then None else Some(int side))
        |> List.ofArray
        |> Size

let private numberKind =
    regex @"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
    >>= fun text ->
        match Double.Parse(text, CultureInfo.InvariantCulture) with
        | value when Double.IsFinite value -> preturn (Number value)
        | _ -> refuse "this number is too large"

let private notGlued =
    notFollowedBy (satisfy isWordCharacter)
    <|> refuse "a number or a size ends here, and something is glued to it: 5, 0.01, 1e-4 and 5x5 are well formed"

let private tooLarge = refuse "a side has at most nine digits"

let private sized: Parser<ExpressionKind> =
    (followedBy (regex @"(?:(?:[0-9?]+x)*[0-9]{10,}x|(?:[0-9?]+x)+[0-9]{10,})")
     >>. tooLarge)
    <|> attempt (sizeKind .>> notFollowedBy (satisfy isWordCharacter))

let private numeric: Parser<ExpressionKind> =
    let plain = numberKind .>> notGlued
    let either = sized <|> plain

    // Most values are words or plain numbers, and lists may have thousands: neither needs the expressions of a size.
    fun stream ->
        let rec digits (at: int) =
            if isDigit (stream.Peek at) then digits (at + 1) else at

        match digits 0, stream.Peek() with
        | 0, '?' -> either stream
        | 0, _ -> Reply(FParsec.Primitives.Error, NoErrorMessages)
        | count, _ when stream.Peek count = 'x' -> either stream
        | _ -> plain stream

let quoted: Parser<string> =
    let escaped = silent (skipChar '\\') >>. (anyOf "\"\\" <?> "\\\" or \\\\")
    let plain = satisfy (fun c -> c <> '"' && c <> '\\' && c <> '\n')
    between (skipChar '"') (skipChar '"' <?> "a closing \"") (manyChars (plain <|> escaped))

let private kindToExpression (parser: Parser<ExpressionKind>) : Parser<Expression> =
    spanned parser |>> fun (kind, span) -> { Kind = kind; Span = span }

let private enclosed, private enclosedRef =
    createParserForwardedToRef<Expression, State>()

let private tightSum, private tightSumRef =
    createParserForwardedToRef<Expression, State>()

let private emptyParentheses =
    followedBy (skipChar ')')
    >>. refuse "nothing stands in these parentheses: a layer without arguments has none"

/// What stands between two brackets; the closing one is read, or missed, by `ending`.
let private bracketed opening closing (inner: Parser<'T>) (ending: Parser<unit>) : Parser<'T> =
    fun stream ->
        let start = stream.State

        (skipString opening >>. inner
         .>> (ending <|> unclosed opening start |> called $"'{closing}'")
         |> deeper)
            stream

let private parenthesised =
    let inner = gap >>. (emptyParentheses <|> enclosed) .>> gap

    bracketed "(" ")" inner (skipChar ')' <|> mistaken noParenthesis)
    |>> Parenthesised

/// Entries with blanks between them; a line end or `;` starts a new row.
let private matrix =
    let rowEnd = silent (skipNewline <|> skipChar ';' <|> comment)
    let entry = tightSum .>> blanks
    let row = many1 entry
    let rowEnds = skipMany1 (rowEnd .>> blanks)
    let inner = blanks >>. optional rowEnds >>. sepEndBy row rowEnds

    bracketed "[" "]" inner (skipChar ']' <|> mistaken noEntry) |>> Matrix

let private call =
    let inner = gap >>. sepBy (enclosed .>> gap) (skipChar ',' >>. gap)
    bracketed "(" ")" inner (skipChar ')' <|> mistaken noCallEnd)

let private named =
    // No part of a value has a hyphen: `here.channels-k` subtracts.
    let partName =
        spanned (many1Satisfy2 isLetter isWordCharacter)
        |>> fun (text, span) -> { Text = text; Span = span }

    let memberName = attempt (skipChar '.' >>. partName)

    name
    >>= fun first ->
        (memberName |>> fun second -> Member(first, second))
        <|> (call |>> fun arguments -> Call(first, arguments))
        <|> preturn (Word first.Text)

let private atom =
    kindToExpression (choice [ numeric; quoted |>> Text; parenthesised; matrix; named; mistaken noValue; bareFraction ])
    |> called "a value"

let private unary blanks =
    let negated = skipChar '-' >>. atom |>> fun operand -> Unary(Negate, operand)

    let inverted =
        keyword "not" >>. around blanks >>. atom |>> fun operand -> Unary(Not, operand)

    kindToExpression (silent (negated <|> inverted)) <|> atom |> called "a value"

let private binary operator left right =
    { Kind = Binary(operator, left, right)
      Span = Span.merge left.Span right.Span }

/// Longer chains of operators are refused.
let private longest = 1000

/// Operands joined by operators of one rank, grouped from the left.
let private chain (operators: (Parser<unit> * BinaryOperator) list) blanks operand =
    let operator =
        silent (choice [ for parser, operator in operators -> attempt (around blanks >>. parser) >>% operator ])
        .>> around blanks

    let tooLong =
        refuse $"an expression joins at most {longest} values: 'let' can name a part of it"

    let next = pipe2 operator operand (fun operator right -> operator, right)

    operand .>>. many next
    >>= fun (first, others) ->
        if others.Length >= longest then
            tooLong
        else
            others
            |> List.fold (fun left (operator, right) -> binary operator left right) first
            |> preturn

let private symbols list =
    [ for text: string, operator in list -> skipString text, operator ]

// Two strokes begin a comment elsewhere, and are told so.
let private divide = skipChar '/' .>> notFollowedBy (skipAnyOf "/*")
let private minus = skipChar '-' .>> notFollowedBy (skipChar '-')

let private sum blanks =
    unary blanks
    |> chain [ skipChar '*', Multiply; divide, Divide ] blanks
    |> chain [ skipChar '+', Add; minus, Subtract ] blanks

let private condition blanks =
    sum blanks
    |> chain
        (symbols [ "==", Equal; "!=", NotEqual; "<=", LessOrEqual; ">=", GreaterOrEqual; "<", Less; ">", Greater ])
        blanks
    |> chain [ keyword "and", And ] blanks
    |> chain [ keyword "or", Or ] blanks

tightSumRef.Value <- sum Tight
enclosedRef.Value <- condition Enclosed

/// Operators within operators: those who walk the tree call themselves for each. Chains and brackets, each bounded,
/// multiply.
let private deepest = 1000

let private partsOf (expression: Expression) =
    match expression.Kind with
    | Unary(_, operand)
    | Parenthesised operand -> [ operand ]
    | Binary(_, left, right) -> [ left; right ]
    | Call(_, arguments) -> arguments
    | Matrix rows -> List.concat rows
    | _ -> []

/// Without calling itself: the tree may be as deep as it likes here.
let private isTooDeep (expression: Expression) =
    let pending = Stack<struct (Expression * int)>([ struct (expression, 1) ])
    let mutable found = false

    while pending.Count > 0 && not found do
        let struct (current, depth) = pending.Pop()
        found <- depth > deepest

        for part in partsOf current do
            pending.Push(struct (part, depth + 1))

    found

let private bounded parser : Parser<Expression> =
    parser
    >>= fun expression ->
        if isTooDeep expression then
            refuse $"an expression is at most {deepest} operators deep: 'let' can name a part of it"
        else
            preturn expression

/// An argument's value.
let tight: Parser<Expression> = bounded tightSum

/// A statement's own expression, such as a condition.
let expression: Parser<Expression> = bounded (condition Loose)
