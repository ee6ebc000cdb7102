/// What .NET values become in the tree, for the embedded form and the builder alike.
module internal CnnCluster.Dsl.Doors.Writing

open System
open System.Collections
open System.Globalization
open System.Runtime.CompilerServices
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax

/// Trees that were not read have no places.
let private expression kind : Expression = { Kind = kind; Span = Span.nowhere }

let statementOf kind : Statement =
    { Kind = kind
      Comments = Comments.none
      Span = Span.nowhere }

let bodyOf statements : Body =
    { Opening = None
      Statements = List.ofSeq statements
      Closing = []
      Span = Span.nowhere }

let declarationOf kind : Declaration =
    { Kind = kind
      Comments = Comments.none
      Span = Span.nowhere }

let scriptOf declarations : Script =
    { Declarations = List.ofSeq declarations
      Closing = [] }

let private refuse (value: obj | null) why =
    let shown = if isNull value then "null" else $"{value}"
    invalidArg (nameof value) $"{shown} cannot stand in a script: {why}."

/// A negative number is a sign and a number, as it is read; so is a negative zero.
let private number (value: float) =
    if not (Double.IsFinite value) then
        refuse value "a script's numbers are finite"
    elif Double.IsNegative value then
        expression (Unary(Negate, expression (Number -value)))
    else
        expression (Number value)

/// By way of its digits, so that 0.1f is 0.1.
let private numberOf (value: IConvertible) =
    number (Double.Parse(value.ToString CultureInfo.InvariantCulture, CultureInfo.InvariantCulture))

let private isNumber (value: obj | null) =
    match value with
    | :? IConvertible as number ->
        number.GetTypeCode() >= TypeCode.SByte
        && number.GetTypeCode() <= TypeCode.Decimal
    | _ -> false

/// No side has more digits than the parser reads.
let private side (value: obj | null) =
    match value with
    | :? int as side when side >= 0 && side <= 999_999_999 -> Some side
    | _ -> refuse value "a size's sides are whole numbers from 0 to 999999999"

let private entries (tuple: ITuple) =
    [ for i in 0 .. tuple.Length - 1 -> tuple[i] ]

let private isRow (value: obj | null) =
    match value with
    | :? string -> false
    | :? ITuple
    | :? IEnumerable -> true
    | _ -> false

let private items (value: obj | null) =
    match value with
    | :? ITuple as tuple -> entries tuple
    | :? IEnumerable as several -> [ for item in several -> item ]
    | _ -> [ value ]

/// `relu`, `leakyrelu 0.1`: a statement that is an argument.
let private asArgument (statement: Statement) =
    match statement.Kind with
    | Use(word, [], None) -> expression (Word word.Text)
    | Use(word, arguments, None) ->
        arguments
        |> List.map (function
            | Positional value -> value
            | _ -> refuse word.Text "an activation takes its values without names")
        |> fun values -> expression (Call(word, values))
    | _ -> refuse statement.Kind "only an activation can be an argument"

/// An argument's value: a number; yes or no; a text as the script would have it; a tuple, which is a size; a list,
/// which is a matrix, of rows if its items are lists or tuples; an activation.
let rec expressionOf (value: obj | null) : Expression =
    match value with
    | :? Expression as already -> already
    | :? string as text -> Pieces.argument text
    | :? bool as yes -> expression (Word(if yes then "yes" else "no"))
    | :? Statement as statement -> asArgument statement
    | :? ITuple as tuple -> expression (Size(entries tuple |> List.map side))
    | :? IEnumerable as several -> matrix (items several)
    | :? IConvertible as convertible when isNumber value -> numberOf convertible
    | _ -> refuse value "it is neither a number, a text, a tuple nor a list"

and private matrix items' =
    let rows =
        match items' with
        | [] -> refuse "[ ]" "an empty list is neither a matrix nor a value"
        | all when List.forall isRow all -> all |> List.map items
        | all -> [ all ]

    expression (Matrix(rows |> List.map (List.map expressionOf)))

let keyword (key: string) (value: obj | null) =
    Keyword(Pieces.key key, expressionOf value)

/// What one value of a call stands for.
type private Part =
    | Argument of Argument
    | Label of Name

/// A list of statements, empty or not, is a branch.
let private (|Statements|_|) (value: obj | null) =
    match value with
    | :? string -> None
    | :? IEnumerable as several ->
        let all = items several

        let statements =
            all
            |> List.choose (function
                | :? Statement as statement -> Some statement
                | _ -> None)

        if statements.Length = all.Length then Some statements else None
    | _ -> None

let private (|KeyAndValue|_|) (value: obj | null) =
    match value with
    | :? ITuple as tuple when tuple.Length = 2 ->
        match tuple[0] with
        | :? string as key -> Some(key, tuple[1])
        | _ -> None
    | _ -> None

let private partOf (value: obj | null) =
    match value with
    | :? Argument as argument -> Argument argument
    | :? Body as body -> Argument(Branch body)
    | :? Statement as statement when statement.Kind.IsAs ->
        match statement.Kind with
        | As name -> Label name
        | _ -> Argument(Positional(asArgument statement))
    | Statements statements -> Argument(Branch(bodyOf statements))
    | KeyAndValue(key, value) -> Argument(keyword key value)
    | value -> Argument(Positional(expressionOf value))

/// A word with its arguments; an `as` behind them names the result.
let useOf (word: string) (values: obj seq) : Statement =
    let parts = values |> Seq.map partOf |> List.ofSeq

    let arguments =
        parts
        |> List.choose (function
            | Argument argument -> Some argument
            | Label _ -> None)

    let label =
        match List.tryLast parts with
        | Some(Label name) -> Some name
        | _ -> None

    if arguments.Length + Option.count label < parts.Length then
        refuse word "its 'as' stands behind its arguments, and once"

    statementOf (Use(Pieces.word word, arguments, label))

let ifOf condition whenTrue whenFalse =
    statementOf (If(Pieces.condition condition, whenTrue, whenFalse))

/// `3`, or what stands behind `repeat` as the script has it.
let repeatOf (head: obj) body =
    match head with
    | :? string as text ->
        let names, over, upTo = Pieces.loop text
        statementOf (Repeat(names, over, upTo, body))
    | count -> statementOf (Repeat([], expressionOf count, None, body))

let repeatIn names (list: obj) body =
    statementOf (Repeat(Pieces.names names, expressionOf list, None, body))

let letOf definition =
    statementOf (Let(Pieces.definition definition))

let asOf name = statementOf (As(Pieces.name name))
let fromOf name = statementOf (From(Pieces.name name))
let outputOf name = statementOf (Output(Pieces.name name))
let defaultsOf body = statementOf (Defaults body)

let networkOf name body =
    declarationOf (Network(Pieces.name name, body))

let sharedOf name body =
    declarationOf (Shared(Pieces.name name, body))

let trainOf name body =
    declarationOf (Train(Pieces.name name, body))

let blockOf head body =
    let name, parameters = Pieces.blockHead head
    declarationOf (Block(name, parameters, body))

let importOf path =
    declarationOf (Import(Pieces.path path, Span.nowhere))
