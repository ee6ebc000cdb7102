/// Turns expressions into the values that arguments take.
module internal CnnCluster.Dsl.Checking.Conversion

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation

/// The place of the word that names an entry: without the values behind it.
let private placeOfName (expression: Expression) =
    match expression.Kind with
    | Call(name, _) -> name.Span
    | _ -> expression.Span

let private isOutside (number: float, argument: NumberArgument) =
    number < argument.Least || number > NumberArgument.Greatest

/// A word with numbers, `normal(0, 0.1)`, looked up in a catalogue of such.
let private lookUp
    sink
    scope
    what
    (entries: 'E list)
    nameOf
    argumentsOf
    (create: 'E -> float list -> Result<'R, string>)
    (expression: Expression)
    =
    let fill entry (given: float list) =
        let arguments: NumberArgument list = argumentsOf entry

        if given.Length > arguments.Length then
            let most =
                if arguments.IsEmpty then
                    "no values"
                else
                    let names = arguments |> List.map _.Name |> Suggestion.joined "and"
                    $"at most {arguments.Length}: {names}"

            fail sink expression.Span $"'{nameOf entry}' takes {most}"
        else
            match List.zip given (List.take given.Length arguments) |> List.tryFind isOutside with
            | Some(number, argument) ->
                expected
                    sink
                    expression.Span
                    $"{Printer.number number} is out of range for the {argument.Name} of '{nameOf entry}'"
                    $"a number from {Printer.number argument.Least} to {Printer.number NumberArgument.Greatest}"
            | None ->
                let defaults = arguments |> List.skip given.Length |> List.map _.Default

                match create entry (given @ defaults) with
                | Ok made -> Some made
                | Result.Error message -> fail sink expression.Span message

    let find name given =
        match entries |> List.tryFind (fun entry -> nameOf entry = name) with
        | Some entry -> fill entry given
        | None ->
            Diagnostic.error (placeOfName expression) $"no {what} is called '{name}'"
            |> Suggestion.amongOrAll (entries |> List.map nameOf) name
            |> report sink

            None

    match evaluate sink scope expression with
    | Some(OfWord name) -> find name []
    | Some(OfCall(name, given)) -> find name given
    | Some _ -> expected sink expression.Span $"this is no {what}" (entries |> List.map nameOf |> Suggestion.listed)
    | None -> None

let activation sink scope expression =
    lookUp
        sink
        scope
        "activation"
        Activation.all
        _.Name
        _.Arguments
        (fun d values -> Ok { Definition = d; Values = values })
        expression

let private initialiser sink scope expression =
    lookUp sink scope "initialiser" Initialiser.all _.Name _.Arguments (fun d -> d.Create >> Ok) expression

let private regularizer sink scope expression =
    lookUp sink scope "regularizer" Regularizer.all _.Name _.Arguments (fun d -> d.Create >> Ok) expression

let private fixedKernel sink scope (expression: Expression) =
    let rectangle (rows: float list list) =
        if rows.IsEmpty || rows |> List.exists (fun row -> row.Length <> rows.Head.Length) then
            expected sink expression.Span "a kernel's rows are equally long" "a matrix, as in [1 2 1; 2 4 2; 1 2 1]/16"
        elif
            rows
            |> List.exists (List.exists (fun number -> abs number > NumberArgument.Greatest))
        then
            let greatest = Printer.number NumberArgument.Greatest

            expected
                sink
                expression.Span
                "the kernel has a number that float32 cannot hold"
                $"-{greatest} to {greatest}"
        else
            Some rows

    match expression.Kind with
    | Word _
    | Call _ -> lookUp sink scope "fixed kernel" FixedKernel.all _.Name _.Arguments _.Create expression
    | _ ->
        match evaluate sink scope expression with
        | Some(OfRows rows) -> numbers sink expression rows |> Option.bind rectangle
        | Some other ->
            expected
                sink
                expression.Span
                $"{describe other} is no kernel"
                "a matrix, as in [1 2 1; 2 4 2; 1 2 1]/16, or a name, as in gaussian"
        | None -> None

let private real sink scope least greatest (expression: Expression) =
    number sink scope expression
    |> Option.bind (fun value ->
        if value < least || value > greatest then
            expected
                sink
                expression.Span
                $"{Printer.number value} is out of range"
                (Suggestion.range (Printer.number least) (Printer.number greatest) (greatest < 1e30))
        else
            Some value)

let yesNo sink scope (expression: Expression) =
    match evaluate sink scope expression with
    | Some(OfTruth value) -> Some value
    | Some(OfWord("yes" | "true")) -> Some true
    | Some(OfWord("no" | "false")) -> Some false
    | Some(OfWord("True" | "on")) -> expected sink expression.Span "this is written yes" "yes or no"
    | Some(OfWord("False" | "off")) -> expected sink expression.Span "this is written no" "yes or no"
    | Some other -> expected sink expression.Span $"{describe other} is neither yes nor no" "yes or no"
    | None -> None

let private oneOf sink scope (words: string list) (expression: Expression) =
    match evaluate sink scope expression with
    | Some(OfWord word) when List.contains word words -> Some word
    | Some(OfWord word) ->
        { Diagnostic.error expression.Span $"'{word}' is not among the words that may stand here" with
            Expected = Some(Suggestion.listed words) }
        |> Suggestion.among words word
        |> report sink

        None
    | Some other -> expected sink expression.Span $"{describe other} is no word" (Suggestion.listed words)
    | None -> None

/// The longest side of a window, stride or padding: the extent of a dilated window stays within 32 bits.
let private longest = 32767

let private wholes sink (expression: Expression) least greatest (values: float list) =
    match
        values
        |> List.tryFind (fun v -> v <> floor v || v < float least || v > float greatest)
    with
    | Some wrong ->
        expected
            sink
            expression.Span
            $"{Printer.number wrong} cannot be a side"
            $"whole numbers from {least} to {greatest}"
    | None -> Some(values |> List.map int)

let private sides sink scope least (expression: Expression) =
    match evaluate sink scope expression with
    | Some(OfNumber value) -> wholes sink expression least longest [ value ]
    | Some(OfRows [ row ]) ->
        numbers sink expression [ row ]
        |> Option.bind (List.head >> wholes sink expression least longest)
    | Some(OfSides list) when list |> List.forall Option.isSome ->
        list |> List.map (Option.get >> float) |> wholes sink expression least longest
    | Some(OfSides _) -> fail sink expression.Span "only an input's sides may be open ('?')"
    | Some other -> expected sink expression.Span $"{describe other} is no size" "a size, such as 3, 3x3 or [k k]"
    | None -> None

/// Sides and channels of a value, as in 7x7x16, [n n c] or 10.
let private shape sink scope (expression: Expression) =
    let ofNumbers values =
        wholes sink expression 1 System.Int32.MaxValue values
        |> Option.map (fun numbers ->
            let rest, channels = List.splitAt (numbers.Length - 1) numbers

            { Channels = channels.Head
              Sides = List.map Some rest })

    match evaluate sink scope expression with
    | Some(OfNumber value) -> ofNumbers [ value ]
    | Some(OfSides list) when list.Length <= 4 && list |> List.forall Option.isSome ->
        list |> List.map (Option.get >> float) |> ofNumbers
    | Some(OfRows [ row ]) when row.Length >= 1 && row.Length <= 4 ->
        numbers sink expression [ row ] |> Option.bind (List.head >> ofNumbers)
    | Some other ->
        expected
            sink
            expression.Span
            $"{describe other} is no shape"
            "up to three sides and the channels, without '?', as in 7x7x16 or [n n c]"
    | None -> None

let private padding sink scope words (expression: Expression) =
    let symmetric values =
        values |> List.map (fun p -> p, p) |> Sides

    let amounts = wholes sink expression 0 longest

    match evaluate sink scope expression with
    | Some(OfWord "same") when words -> Some Same
    | Some(OfWord "valid") when words -> Some Valid
    | Some(OfNumber value) -> amounts [ value ] |> Option.map symmetric
    | Some(OfSides list) when list |> List.forall Option.isSome ->
        list |> List.map (Option.get >> float) |> amounts |> Option.map symmetric
    | Some(OfRows rows) when rows |> List.forall (fun row -> row.Length = 2) ->
        numbers sink expression rows
        |> Option.bind (List.concat >> amounts)
        |> Option.map (List.chunkBySize 2 >> List.map (fun pair -> pair[0], pair[1]) >> Sides)
    | Some other ->
        let named = if words then "same, valid, " else ""

        expected
            sink
            expression.Span
            $"{describe other} is no padding"
            $"{named}a number, one for each axis as in 1x2, or [top bottom; left right]"
    | None -> None

/// The value that an argument of this kind takes from an expression; what is wrong is noted.
let convert sink scope kind expression =
    match kind with
    | WholeNumber least -> whole sink scope least expression |> Option.map WholeValue
    | RealNumber(least, greatest) -> real sink scope least greatest expression |> Option.map RealValue
    | YesNo -> yesNo sink scope expression |> Option.map FlagValue
    | OneOf words -> oneOf sink scope words expression |> Option.map WordValue
    | SizeOf least -> sides sink scope least expression |> Option.map SizeValue
    | PaddingOf -> padding sink scope true expression |> Option.map PaddingValue
    | EdgesOf -> padding sink scope false expression |> Option.map PaddingValue
    | ShapeOf -> shape sink scope expression |> Option.map ShapeValue
    | KernelOf -> fixedKernel sink scope expression |> Option.map KernelValue
    | InitialiserOf -> initialiser sink scope expression |> Option.map InitialiserValue
    | RegularizerOf -> regularizer sink scope expression |> Option.map RegularizerValue
