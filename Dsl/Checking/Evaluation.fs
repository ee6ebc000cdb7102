/// What a script's expressions mean where they stand.
module internal CnnCluster.Dsl.Checking.Evaluation

open System
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope

let private finite sink (expression: Expression) value =
    if Double.IsFinite value then
        Some(OfNumber value)
    else
        fail sink expression.Span "this comes to a number that is too large"

let private arithmetic sink (expression: Expression) operator (a: float) (b: float) =
    match operator with
    | Add -> finite sink expression (a + b)
    | Subtract -> finite sink expression (a - b)
    | Multiply -> finite sink expression (a * b)
    | Divide when b = 0.0 -> fail sink expression.Span "this divides by zero"
    | Divide -> finite sink expression (a / b)
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

/// Words that a block was given are compared, nothing else.
let private words sink (expression: Expression) operator (a: string) b =
    match operator with
    | Equal -> Some(OfTruth((a = b)))
    | NotEqual -> Some(OfTruth((a <> b)))
    | _ -> fail sink expression.Span $"'{a}' and '{b}' are words: they can be compared by == and !="

let private scaled sink (expression: Expression) operator (rows: Evaluated list list) factor =
    let apply change =
        let one =
            function
            | OfNumber value -> finite sink expression (change value)
            | other -> fail sink expression.Span $"the list holds {describe other}, which is no number"

        let changed = rows |> List.map (List.map one)

        if changed |> List.forall (List.forall Option.isSome) then
            Some(OfRows(changed |> List.map (List.map Option.get)))
        else
            None

    match operator with
    | Multiply -> apply (fun value -> value * factor)
    | Divide when factor <> 0.0 -> apply (fun value -> value / factor)
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

let private unknownNumber sink (scope: Scope) (expression: Expression) word =
    let span = expression.Span

    let given =
        match expression.Kind with
        | Word name -> Map.containsKey name scope.Names
        | _ -> false

    if given then
        report sink (Diagnostic.error span $"this stands for the word '{word}' here, and a number is needed")
    elif not scope.Incomplete then
        Diagnostic.error span $"no number is called '{word}'"
        |> Suggestion.among (Map.keys scope.Names) word
        |> hintOfHyphen word
        |> report sink

    None

/// The value that a name stands for, and after an error `Unknown`.
let valueOf sink scope (name: Name) =
    match Scope.lookUp sink scope name.Text with
    | Some(Some(OfValue(_, here))) -> here
    | Some(Some other) ->
        fail sink name.Span $"'{name.Text}' is {describe other}, and no value of the network"
        |> ignore

        Unknown
    | Some None -> Unknown
    | None when scope.Incomplete -> Unknown
    | None ->
        Diagnostic.error name.Span $"no value is called '{name.Text}'"
        |> Suggestion.among ("here" :: List.ofSeq (Map.keys scope.Values)) name.Text
        |> report sink

        Unknown

let private memberOf sink scope (value: Name) part =
    match valueOf sink scope value with
    | Known flowing -> partOf sink value part flowing.Shape
    | Unknown -> None
    | Undefined -> fail sink value.Span $"there is no '{value.Text}' yet: no input or value stands in front of this"

/// More expressions than any script needs are a slip of the hand, and would take all day.
[<Literal>]
let private MostComputed = 1000000

let private isAffordable (sink: Sink) (expression: Expression) =
    sink.Computed <- sink.Computed + 1

    if sink.Computed = MostComputed + 1 then
        fail sink expression.Span $"the script computes more than {MostComputed} expressions, here at the latest"
        |> ignore

    sink.Computed <= MostComputed

let rec evaluate (sink: Sink) (scope: Scope) (expression: Expression) : Evaluated option =
    if isAffordable sink expression then
        evaluateKind sink scope expression
    else
        None

and private evaluateKind sink scope expression =
    match expression.Kind with
    | Number value -> Some(OfNumber value)
    | Size sides -> Some(OfSides sides)
    | Word word -> Scope.lookUp sink scope word |> Option.defaultValue (Some(OfWord word))
    | Parenthesised inner -> evaluate sink scope inner
    | Text text ->
        let meant = if System.String.IsNullOrWhiteSpace text then "a word" else text
        expected sink expression.Span "only an import's path stands in quotes" meant
    | Call(name, given) ->
        let values = given |> List.map (number sink scope)

        if values |> List.forall Option.isSome then
            Some(OfCall(name.Text, List.map Option.get values))
        else
            None
    | Member(value, part) -> memberOf sink scope value part
    | Matrix rows ->
        let values = rows |> List.map (List.map (evaluate sink scope))

        if values |> List.forall (List.forall Option.isSome) then
            Some(OfRows(values |> List.map (List.map Option.get)))
        else
            None
    | Unary(Negate, operand) -> number sink scope operand |> Option.map (fun value -> OfNumber(-value))
    | Unary(Not, operand) -> truth sink scope operand |> Option.map (not >> OfTruth)
    | Binary(operator, left, right) -> joined sink scope expression operator left right

and private joined sink scope expression operator left right =
    let truthOf =
        function
        | OfTruth value -> Some value
        | OfWord "yes" -> Some true
        | OfWord "no" -> Some false
        | _ -> None

    match evaluate sink scope left, evaluate sink scope right with
    | Some(OfNumber a), Some(OfNumber b) -> arithmetic sink expression operator a b
    | Some(OfRows rows), Some(OfNumber factor) -> scaled sink expression operator rows factor
    | Some a, Some b ->
        match truthOf a, truthOf b, a, b with
        | Some a, Some b, _, _ -> logic sink expression operator a b
        | _, _, OfWord a, OfWord b when bound scope left || bound scope right -> words sink expression operator a b
        | _ -> mismatch sink scope left a right b
    | _ -> None

/// Whether a word stands for another that a block was given.
and private bound scope (expression: Expression) =
    match expression.Kind with
    | Word word -> Map.containsKey word scope.Names
    | _ -> false

and private mismatch sink scope left a right b =
    let unknown =
        [ left, a; right, b ]
        |> List.tryPick (fun (e, v) ->
            match v with
            | OfWord word -> Some(e, word)
            | _ -> None)

    match unknown with
    | Some(expression, word) -> unknownNumber sink scope expression word
    | None -> fail sink (Span.merge left.Span right.Span) $"{describe a} and {describe b} do not go together"

/// The number an expression means.
and number sink scope expression : float option =
    match evaluate sink scope expression with
    | Some(OfNumber value) -> Some value
    | Some(OfWord word) -> unknownNumber sink scope expression word
    | Some other -> expected sink expression.Span $"{describe other} is no number" "a number"
    | None -> None

and truth sink scope expression : bool option =
    match evaluate sink scope expression with
    | Some(OfTruth value) -> Some value
    | Some(OfWord("yes" | "true")) -> Some true
    | Some(OfWord("no" | "false")) -> Some false
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

/// A list's numbers, row by row.
let numbers sink (expression: Expression) (rows: Evaluated list list) =
    let one =
        function
        | OfNumber value -> Some value
        | other -> fail sink expression.Span $"the list holds {describe other}, which is no number"

    let values = rows |> List.map (List.map one)

    if values |> List.forall (List.forall Option.isSome) then
        Some(values |> List.map (List.map Option.get))
    else
        None
