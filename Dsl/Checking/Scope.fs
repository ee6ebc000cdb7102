/// What a script's expressions mean where they stand.
module internal CnnCluster.Dsl.Checking.Scope

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax

/// Collects what is wrong.
type Sink = ResizeArray<Diagnostic>

let report (sink: Sink) diagnostic = sink.Add diagnostic

/// Notes an error; the caller goes on without a value.
let fail (sink: Sink) span message =
    report sink (Diagnostic.error span message)
    None

/// Notes an error that says what would have been right.
let expected (sink: Sink) span message what =
    report
        sink
        { Diagnostic.error span message with
            Expected = Some what }

    None

/// The names an expression may use.
type Scope =
    {
        /// `None` after an error, when a number is not known.
        Numbers: Map<string, float option>
        /// `here` and named values; `None` after an error, when a shape is not known.
        Shapes: Map<string, Shape option>
        /// Whether a statement could not be read: it may have defined any name that is missing.
        Incomplete: bool
    }

module Scope =
    let empty =
        { Numbers = Map.empty
          Shapes = Map.empty
          Incomplete = false }

/// The value of an expression.
type Evaluated =
    | OfNumber of float
    | OfTruth of bool
    | OfSides of int option list
    | OfRows of float list list
    | OfWord of string

/// What to call an evaluated value in a message.
let describe =
    function
    | OfNumber value -> Printer.number value
    | OfTruth true -> "true"
    | OfTruth false -> "false"
    | OfSides _ -> "a size"
    | OfRows _ -> "a list"
    | OfWord word -> $"'{word}'"

let private arithmetic sink (expression: Expression) operator (a: float) (b: float) =
    match operator with
    | Add -> Some(OfNumber(a + b))
    | Subtract -> Some(OfNumber(a - b))
    | Multiply -> Some(OfNumber(a * b))
    | Divide when b = 0.0 -> fail sink expression.Span "this divides by zero"
    | Divide -> Some(OfNumber(a / b))
    | Less -> Some(OfTruth(a < b))
    | LessOrEqual -> Some(OfTruth(a <= b))
    | Greater -> Some(OfTruth(a > b))
    | GreaterOrEqual -> Some(OfTruth(a >= b))
    | Equal -> Some(OfTruth((a = b)))
    | NotEqual -> Some(OfTruth((a <> b)))
    | And
    | Or -> fail sink expression.Span "'and' and 'or' join conditions, not numbers"

let private logic sink (expression: Expression) operator a b =
    match operator with
    | And -> Some(OfTruth(a && b))
    | Or -> Some(OfTruth(a || b))
    | Equal -> Some(OfTruth((a = b)))
    | NotEqual -> Some(OfTruth((a <> b)))
    | _ -> fail sink expression.Span "conditions are joined by 'and' and 'or'; arithmetic takes numbers"

let private scaled sink (expression: Expression) operator (rows: float list list) factor =
    match operator with
    | Multiply -> Some(OfRows(rows |> List.map (List.map (fun v -> v * factor))))
    | Divide when factor <> 0.0 -> Some(OfRows(rows |> List.map (List.map (fun v -> v / factor))))
    | _ -> fail sink expression.Span "a list can be multiplied or divided by a number other than zero"

let private partOf sink (value: Name) (part: Name) (shape: Shape) =
    let side index name =
        match List.tryItem index shape.Sides with
        | Some(Some length) -> Some(OfNumber(float length))
        | Some None -> fail sink part.Span $"the {name} of '{value.Text}' is open ('?'): it has no number yet"
        | None -> fail sink part.Span $"'{value.Text}' is {Shape.text shape}: it has no {name}"

    // Sides are written depth, height, width; a sequence has one, which goes by both names.
    match part.Text with
    | "channels" -> Some(OfNumber(float shape.Channels))
    | "depth" when shape.Rank = 3 -> side 0 "depth"
    | "height" -> side (max 0 (shape.Rank - 2)) "height"
    | "width" -> side (max 0 (shape.Rank - 1)) "width"
    | other ->
        let parts = [ "channels"; "height"; "width" ]

        Diagnostic.error part.Span $"a value has no '{other}'"
        |> Suggestion.among parts other
        |> fun d ->
            { d with
                Expected = Some(Suggestion.listed parts) }
        |> report sink

        None

/// A hyphen between letters joins them, which surprises those who meant to subtract.
let hintOfHyphen (word: string) (diagnostic: Diagnostic) =
    let hyphenated =
        diagnostic.Suggestion |> Option.exists (fun meant -> meant.Contains '-')

    match word.IndexOf '-' with
    | at when at > 0 && not hyphenated ->
        let left, right = word.Substring(0, at), word.Substring(at + 1)

        { diagnostic with
            Suggestion = None
            Expected = Some $"({left} - {right}) to subtract: a hyphen between letters makes one word of them" }
    | _ -> diagnostic

let private unknownNumber sink (scope: Scope) span word =
    if not scope.Incomplete then
        Diagnostic.error span $"no number is called '{word}'"
        |> Suggestion.among (Map.keys scope.Numbers) word
        |> hintOfHyphen word
        |> report sink

    None

let rec evaluate (sink: Sink) (scope: Scope) (expression: Expression) : Evaluated option =
    match expression.Kind with
    | Number value -> Some(OfNumber value)
    | Size sides -> Some(OfSides sides)
    | Word word ->
        match Map.tryFind word scope.Numbers with
        | Some known -> Option.map OfNumber known
        | None -> Some(OfWord word)
    | Parenthesised inner -> evaluate sink scope inner
    | Text _ -> fail sink expression.Span "a text has no place here"
    | Call(name, _) -> fail sink expression.Span $"'{name.Text}(…)' is no number"
    | Member(value, part) ->
        match Map.tryFind value.Text scope.Shapes with
        | Some(Some shape) -> partOf sink value part shape
        | Some None -> None
        | None when scope.Incomplete -> None
        | None ->
            Diagnostic.error value.Span $"no value is called '{value.Text}'"
            |> Suggestion.among (Map.keys scope.Shapes) value.Text
            |> report sink

            None
    | Matrix rows ->
        let values = rows |> List.map (List.map (number sink scope))

        if values |> List.forall (List.forall Option.isSome) then
            Some(OfRows(values |> List.map (List.map Option.get)))
        else
            None
    | Unary(Negate, operand) -> number sink scope operand |> Option.map (fun value -> OfNumber(-value))
    | Unary(Not, operand) -> truth sink scope operand |> Option.map (not >> OfTruth)
    | Binary(operator, left, right) ->
        match evaluate sink scope left, evaluate sink scope right with
        | Some(OfNumber a), Some(OfNumber b) -> arithmetic sink expression operator a b
        | Some(OfTruth a), Some(OfTruth b) -> logic sink expression operator a b
        | Some(OfRows rows), Some(OfNumber factor) -> scaled sink expression operator rows factor
        | Some a, Some b -> mismatch sink scope left a right b
        | _ -> None

and private mismatch sink scope left a right b =
    let unknown =
        [ left, a; right, b ]
        |> List.tryPick (fun (e, v) ->
            match v with
            | OfWord word -> Some(e, word)
            | _ -> None)

    match unknown with
    | Some(expression, word) -> unknownNumber sink scope expression.Span word
    | None -> fail sink (Span.merge left.Span right.Span) $"{describe a} and {describe b} do not go together"

/// The number an expression means.
and number sink scope expression : float option =
    match evaluate sink scope expression with
    | Some(OfNumber value) -> Some value
    | Some(OfWord word) -> unknownNumber sink scope expression.Span word
    | Some other -> expected sink expression.Span $"{describe other} is no number" "a number"
    | None -> None

and truth sink scope expression : bool option =
    match evaluate sink scope expression with
    | Some(OfTruth value) -> Some value
    | Some other -> expected sink expression.Span $"{describe other} is no condition" "a comparison, such as stride > 1"
    | None -> None

/// A whole number of at least `least`.
let whole sink scope least (expression: Expression) =
    number sink scope expression
    |> Option.bind (fun value ->
        if value <> floor value || abs value > 2147483647.0 then
            expected sink expression.Span $"{Printer.number value} is no whole number" "a whole number"
        elif int value < least then
            expected sink expression.Span $"{Printer.number value} is too small" $"a whole number of at least {least}"
        else
            Some(int value))
